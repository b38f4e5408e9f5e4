import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.counterfactual.values import ValueOrder

TYPES = {
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**53), 2**53),
    "unix_timestamp": st.integers(0, 2**53),
    "bool": st.booleans(),
}


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
def test_keys_order_values_and_lead_back_to_them(kind, data):
    order = ValueOrder(kind)
    values = np.array(data.draw(st.lists(TYPES[kind], min_size=2, max_size=20)), dtype=np.float64)
    keys = order.keys(values)
    np.testing.assert_array_equal(order.values(keys), values)
    assert ((values[:, None] < values) == (keys[:, None] < keys)).all()


@pytest.mark.parametrize(("kind", "float_type"), [("float32", np.float32), ("float64", np.float64)])
@given(data=st.data())
def test_neighbours_differ_by_one(kind, float_type, data):
    order = ValueOrder(kind)
    value = float_type(data.draw(TYPES[kind]))
    with np.errstate(over="ignore"):
        above = np.nextafter(value, float_type(np.inf))
    if np.isfinite(above):
        assert order.key(float(above)) == order.key(float(value)) + 1


@pytest.mark.parametrize("kind", TYPES)
def test_limits_are_values(kind):
    order = ValueOrder(kind)
    low, high = order.limits
    assert order.values(order.keys(np.array([low, high, 0.0]))).tolist() == [low, high, 0.0]
    assert order.key(-0.0) == order.key(0.0) == 0
