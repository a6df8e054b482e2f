"""The teaching notebook accepts the right answers to its exercises and no others; its story holds for another cell."""

import json

import pytest

import fluxkit
from fluxkit.workflows.notebooks import find_notebook, read_summary

RIGHT = {
    "expected_ssr: float | None = None": "expected_ssr: float | None = 120.0",  # 120 values, each adds 1 on average
    'my_tracer = "Glc_x: 100% [1,2-13C2]"': 'my_tracer = "Gln_x: 100% [U-13C5]"',
    "rate_sd = 20.0": "rate_sd = 2.7",  # a quarter of 38 is 9.5 = 2 * 1.645 * 2.9, less what labeling adds
}


def words(path, first_lines):
    """Return what the cells that begin with these lines answered."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    chosen = [cell for cell in cells if "".join(cell["source"]).startswith(tuple(first_lines))]
    return [json.dumps(cell["outputs"]) for cell in chosen if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_exercises_accept_the_right_answers_and_only_those(tmp_path):
    source = find_notebook("what_labeling_tells").read_text(encoding="utf-8")
    for asked, answer in RIGHT.items():
        asked, answer = (json.dumps(text)[1:-1] for text in (asked, answer))
        assert source.count(f'"{asked}') == 1
        source = source.replace(asked, answer)
    (tmp_path / "solved.ipynb").write_text(source, encoding="utf-8")
    short = {"starts": 2, "seconds": 5.0}
    asked = fluxkit.run_notebook("what_labeling_tells", short, tmp_path / "asked", progress=False)
    solved = fluxkit.run_notebook(tmp_path / "solved.ipynb", short, tmp_path / "solved", progress=False)
    replies = words(asked, RIGHT)
    assert len(replies) == 3
    assert all("not yet" in each for each in replies)
    assert all("right" in each and "not yet" not in each for each in words(solved, RIGHT.values()))


@pytest.mark.slow
def test_the_story_holds_for_another_cell_and_experiment(tmp_path):
    parameters = {"seed": 7, "starts": 3, "seconds": 5.0}  # the assertions of the notebook are the test
    executed = fluxkit.run_notebook("what_labeling_tells", parameters, tmp_path, progress=False)
    assert "have a lower SSR than the truth" in read_summary(executed)
