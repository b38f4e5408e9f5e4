"""The gate `latency`: how long the score and the exact reasons of one client take."""

import time

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from training.gates.report import Gate
from training.gates.settings import GateSettings

_WARM_UP = 5


def latency_gate(challenger: Bundle, matrix: NDArray[np.float64], settings: GateSettings) -> Gate:
    """The median over single rows on one thread, warm; matrix of shape (n, f)."""
    rows = matrix[: settings.latency_rows]
    for row in rows[:_WARM_UP]:
        _milliseconds(challenger, row)
    median = float(np.median([_milliseconds(challenger, row) for row in rows]))
    passed = median <= settings.latency_ms
    return Gate(
        name="latency",
        passed=passed,
        figure=median,
        limit=settings.latency_ms,
        sentence=(
            f"score and exact reasons of one client take {median:.2f} ms (median of {rows.shape[0]}, "
            f"{challenger.trees} trees), {'within' if passed else 'above'} {settings.latency_ms:g} ms"
        ),
    )


def _milliseconds(challenger: Bundle, row: NDArray[np.float64]) -> float:
    one = row[np.newaxis]
    started = time.perf_counter()
    challenger.predict(one)
    challenger.contributions(one)
    return (time.perf_counter() - started) * 1_000
