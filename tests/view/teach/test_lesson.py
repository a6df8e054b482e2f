"""The parts of a lesson show one tracer and one cell."""

import numpy as np
import pytest

import fluxkit
from fluxkit.errors import NetworkError, TracerError, UnknownNameError
from fluxkit.view.teach import Lesson, grows_most
from fluxkit.view.teach.experiment import told


@pytest.fixture(scope="module")
def network():
    return fluxkit.load_network("ccm")


@pytest.fixture
def lesson(network):
    return Lesson(network, fragments=["lactate", "citrate"], cell=33, seconds=1.0)


def test_the_cell_of_the_app_answers_as_textbooks_say(lesson):
    assert lesson.tracer.value == "Glc_x: 100% [1,2-13C2]"
    assert lesson.grows.options[lesson.grows.right] == "M+1"  # the pentose phosphate pathway loses C1 of two labels


def test_another_tracer_reaches_path_bars_and_question(lesson, network):
    tracer = "Glc_x: 100% [U-13C6]"
    lesson.explorer.move("G6PDH", 30.0)
    lesson.tracer.value = tracer
    assert lesson.path.data["tracer"] == tracer
    assert lesson.explorer.controls.value == 30.0  # the flux stays where the reader put it
    exact = fluxkit.simulate(network, lesson.explorer.state, tracer, fragments=["lactate", "citrate"])["mid"].values
    np.testing.assert_allclose(lesson.explorer.labeling, exact, atol=1e-9)
    shown = [value for fragment in lesson.explorer.bars.now[0] for value in fragment]
    np.testing.assert_allclose(shown, exact.ravel(), atol=1e-5)
    answer = grows_most(lesson.explorer.space, lesson.cell, lesson.explorer.ready, "G6PDH", "lactate")
    assert lesson.grows.options[lesson.grows.right] == answer == "M+0"


def test_what_is_measured_is_the_cell_as_it_was_moved(lesson):
    lesson.explorer.move("G6PDH", 40.0)
    heard = []
    lesson.experiment.on_estimate(heard.append)
    lesson.experiment.noise.value = 0.002
    lesson.experiment.button.click()
    (estimate,) = heard
    measured = estimate.labeling["mid"].squeeze()
    states = {"moved": lesson.explorer.state, "before": lesson.cell}
    names = list(dict.fromkeys(measured["fragment"].values.tolist()))
    assert len(names) > 10
    off = {}
    for name, state in states.items():
        exact = fluxkit.simulate(lesson.network, state, lesson.tracer.value, fragments=names)["mid"].squeeze()
        assert exact["fragment"].values.tolist() == measured["fragment"].values.tolist()
        off[name] = float(np.abs(exact.values - measured.values).max())
    assert off["moved"] < 6 * 0.002 < off["before"]  # six standard deviations
    assert "G6PDH of the cell is 40.0" in lesson.experiment.said.value
    assert told(estimate, lesson.explorer.state, "G6PDH") in lesson.experiment.said.value
    assert not lesson.experiment.button.disabled
    assert "net G6PDH" in lesson.experiment.viewer.chosen
    answer = lesson.unknown.options[lesson.unknown.right]
    share = estimate.information
    assert share[(answer, "net")] == min(share[(name, "net")] for name in lesson.unknown.options)
    lesson.experiment.second.value = "Gln_x: 100% [U-13C5]"
    lesson.experiment.measure()
    assert lesson.experiment.viewer.data["names"] == [
        "1: Glc_x: 100% [1,2-13C2]",
        "2: Glc_x: 100% [1,2-13C2] and Gln_x: 100% [U-13C5]",
    ]


def test_an_experiment_that_is_refused_says_why_and_can_be_repeated(lesson):
    experiment = lesson.experiment
    cell = experiment.cell
    experiment.cell = lambda: (lesson.cell, "<b>: 100% [1-13C]", "G6PDH")
    experiment.button.click()
    assert "&lt;b&gt;" in experiment.said.value and "Measuring" not in experiment.said.value
    assert not experiment.button.disabled and experiment.estimates == []
    with pytest.raises(TracerError):
        experiment.measure()
    experiment.cell = cell
    experiment.button.click()
    assert len(experiment.estimates) == 1


def test_a_designer_that_cannot_open_says_why_and_can_be_opened_later(lesson):
    step = lesson.designer
    step.begin = lambda: "<b>: 100% [1-13C]"
    step.open_button.click()
    assert "&lt;b&gt;" in step.said.value and step.designer is None
    assert not step.open_button.disabled and step.open_button.layout.display != "none"
    step.begin, step.draws = lambda: lesson.tracer.value, 4
    step.open_button.click()
    assert step.designer.tracers == lesson.tracer.value and step.said.value == ""


def test_a_designed_tracer_is_taken_up_by_the_whole_page(lesson):
    lesson.designer.draws = 4
    lesson.designer.open_button.click()
    designer = lesson.designer.designer
    assert designer.tracers == lesson.tracer.value
    designer.tracers = "Glc_x: 50% [1-13C]"
    lesson.designer.use_button.click()
    assert lesson.tracer.value == lesson.path.data["tracer"] == "Glc_x: 50% [1-13C]"
    assert "uses it" in lesson.designer.said.value


def test_a_tracer_that_the_page_cannot_show_changes_nothing(lesson):
    before = lesson.tracer.value
    with pytest.raises(TracerError, match="Glx_x"):
        lesson.feed("Glx_x: 100% [1-13C]")
    assert lesson.tracer.value == before == lesson.path.data["tracer"]


def test_what_a_lesson_cannot_be_about_is_refused(network):
    with pytest.raises(UnknownNameError, match="'ccm' has no reaction 'G6PHD'. Did you mean 'G6PDH'"):
        Lesson(network, reaction="G6PHD")
    with pytest.raises(UnknownNameError, match="'ccm' has no reaction 'PGDD'. Did you mean 'PGD'"):
        Lesson(network, decarboxylation="PGDD")
    with pytest.raises(NetworkError, match="network 'mine' has no standard tracers"):
        Lesson(network.with_changes(name="mine", standard_tracers={}))
