import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from credit.bundle.ranking import strongest_pushes

PUSHES = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3.0])


def one_after_the_other(pushes: np.ndarray, groups: np.ndarray, most: int) -> list[int]:
    """The walk down a sorted row that `Bundle.reasons` takes."""
    found: dict[int, int] = {}
    for feature in np.argsort(-pushes, kind="stable"):
        if found and (pushes[feature] <= 0 or len(found) == most):
            break
        found.setdefault(int(groups[feature]), int(feature))
    return [*found.values()]


@given(
    pushes=hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(1, 9)), elements=PUSHES),
    numbers=st.lists(st.integers(0, 4), min_size=9, max_size=9),
    most=st.integers(1, 5),
)
def test_the_choice_for_many_rows_is_that_of_each_row(pushes, numbers, most):
    groups = np.array(numbers[: pushes.shape[1]])
    found = strongest_pushes(pushes, groups, most)
    assert found.shape == (len(pushes), most)
    for row, chosen in zip(pushes, found.tolist(), strict=True):
        expected = one_after_the_other(row, groups, most)
        assert chosen == expected + [-1] * (most - len(expected))
