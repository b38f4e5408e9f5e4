"""Which features push a margin up most, for many rows at once."""

import numpy as np
from numpy.typing import NDArray


def strongest_pushes(pushes: NDArray[np.float64], groups: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Positions of the strongest positive pushes of each row, one of each group.

    Of equal pushes the first feature counts as the strongest. A row without any positive push gets its strongest one.

    Args:
        pushes: shape (n, f).
        groups: of the features, shape (f,).
        most: how many positions at most.

    Returns:
        Strongest first, shape (n, most); -1 where there is none.
    """
    left = pushes.copy()
    rows = np.arange(len(pushes))
    found = np.full((len(pushes), most), -1, dtype=np.intp)
    for place in range(most):
        best = np.argmax(left, axis=1)
        found[:, place] = best if place == 0 else np.where(left[rows, best] > 0, best, -1)
        left[groups == groups[best][:, None]] = -np.inf
    return found
