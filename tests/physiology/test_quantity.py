"""Standard deviations belong to values by name, and no formula drops what one side lacks."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fluxkit.errors import FluxError
from fluxkit.physiology import propagate, quantity


def over(names, values, dim="nutrient"):
    return xr.DataArray(values, dims=dim, coords={dim: names})


def test_standard_deviations_follow_their_labels_and_not_their_position():
    values = xr.DataArray(np.ones((2, 3)), dims=("tracer", "nutrient"), coords={"nutrient": list("abc")})
    found = quantity(values, over(list("cba"), [3.0, 2.0, 1.0]))
    assert found["value"].dims == found["sd"].dims == ("tracer", "nutrient")
    np.testing.assert_array_equal(found["sd"], [[1.0, 2.0, 3.0]] * 2)
    turned = quantity(values, xr.DataArray(np.arange(6.0).reshape(3, 2), dims=("nutrient", "tracer")))
    np.testing.assert_array_equal(turned["sd"], np.arange(6.0).reshape(3, 2).T)


def test_arrays_and_series_without_names_belong_to_values_of_their_shape():
    np.testing.assert_array_equal(quantity(over(list("ab"), [1.0, 2.0]), np.array([0.1, 0.2]))["sd"], [0.1, 0.2])
    series = pd.Series([1.0, 2.0], ["a", "b"]).rename_axis("nutrient")
    np.testing.assert_array_equal(quantity(series, 0.1 * series)["sd"], [0.1, 0.2])


@pytest.mark.parametrize(
    ("sd", "message"),
    [
        (over(list("ab"), [0.1, 0.2], "tissue"), "is over 'tissue', the values are over .'nutrient'"),
        (over(["a", "x"], [0.1, 0.2]), "the value has no nutrient 'x', but the standard deviation has"),
        (over(list("abc"), [0.1, 0.2, 0.3]), "has 3 values along 'nutrient', but there are 2"),
        (np.ones(3), "is over 'dim_0'"),
    ],
)
def test_standard_deviations_of_something_else_are_refused(sd, message):
    with pytest.raises(FluxError, match=message):
        quantity(over(list("ab"), [1.0, 2.0]), sd)


def test_a_formula_keeps_every_label_or_says_which_is_missing():
    left, right = (
        quantity(over(list("abc"), [1.0, 2.0, 3.0]), 0.1),
        quantity(over(list("cba"), [30.0, 20.0, 10.0]), 1.0),
    )
    both = propagate(lambda x, y: x * y, left, right, units="")
    assert both["value"].to_series().to_dict() == {"a": 10.0, "b": 40.0, "c": 90.0}
    np.testing.assert_allclose(both["sd"], np.hypot([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]))
    with pytest.raises(FluxError, match="quantity 2 has no nutrient 'b', 'c', but quantity 1 has"):
        propagate(lambda x, y: x * y, left, right.sel(nutrient=["a"]), units="")
    with pytest.raises(FluxError, match="quantity 1 has no nutrient 'c', but quantity 2 has"):
        propagate(lambda x, y: x * y, left.sel(nutrient=["a", "b"]), right, units="")
    with pytest.raises(FluxError, match="quantity 1 has 3 values along 'nutrient', quantity 2 has 2"):
        propagate(lambda x, y: x * y, left, quantity(xr.DataArray([1.0, 2.0], dims="nutrient")), units="")
