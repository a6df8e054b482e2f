"""What holds a point: multipliers of walls and kinks, also where the usual method gives up."""

import numpy as np
import pytest

from fluxkit.inference.verdict import bound_pressure
from fluxkit.inference.verdict.bound_pressure import _multipliers


@pytest.fixture
def no_nnls(monkeypatch):
    def gives_up(matrix, known):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(bound_pressure, "nnls", gives_up)


@pytest.mark.usefixtures("no_nnls")
def test_multipliers_are_the_same_where_the_usual_method_gives_up():
    rng = np.random.default_rng(0)
    normals, truth = rng.normal(size=(6, 9)), np.array([0.0, 3.0, 0.0, 0.2, 10.0, 0.0])
    found = _multipliers(normals, truth @ normals)
    np.testing.assert_allclose(found, truth, atol=1e-6)
    assert _multipliers(normals, -(truth + 1) @ normals).min() == 0


@pytest.mark.usefixtures("no_nnls")
def test_a_kink_that_pushes_from_both_sides_has_finite_multipliers():
    normal = np.random.default_rng(1).normal(size=(1, 5))
    nearly = normal * (1 + 1e-15)
    found = _multipliers(np.concatenate([normal, -nearly]), 2.0 * normal[0])
    np.testing.assert_allclose(found, [2.0, 0.0], atol=1e-6)
