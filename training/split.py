"""Splits applications by time and by person into parts that share nobody."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.clock import mix64
from credit.errors import TrainingError

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Row indices by purpose. `left_out` are older applications of persons who are in the test."""

    train: Rows
    validation: Rows
    calibration: Rows
    test: Rows
    left_out: Rows

    def sizes(self) -> dict[str, int]:
        """Rows by part."""
        return {name: getattr(self, name).size for name in self.__slots__}


def split_applications(
    applied_at: NDArray[np.datetime64],
    persons: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    test_share: float,
    validation_share: float,
    calibration_share: float,
    seed: int,
) -> Split:
    """Part n applications.

    The newest `test_share` by T0 is the test. Persons of the older rest are drawn by a hash of their id, so that new
    data does not move anybody from one part to another.

    Raises:
        TrainingError: a part lacks one of the two classes.
    """
    in_test = applied_at > np.quantile(applied_at.astype(np.int64), 1 - test_share).astype("datetime64[us]")
    tested_again = ~in_test & np.isin(persons, persons[in_test])
    older = ~in_test & ~tested_again
    draw = _uniform(persons, seed)
    validation = older & (draw < validation_share)
    calibration = older & ~validation & (draw < validation_share + calibration_share)
    split = Split(
        train=np.flatnonzero(older & ~validation & ~calibration),
        validation=np.flatnonzero(validation),
        calibration=np.flatnonzero(calibration),
        test=np.flatnonzero(in_test),
        left_out=np.flatnonzero(tested_again),
    )
    _check(split, labels)
    return split


def _uniform(persons: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    hashed = mix64(persons.astype(np.uint64) ^ mix64(np.array([seed], dtype=np.uint64)))
    return (hashed >> np.uint64(11)).astype(np.float64) / 2.0**53


def _check(split: Split, labels: NDArray[np.int64]) -> None:
    for name in ("train", "validation", "calibration", "test"):
        part = labels[getattr(split, name)]
        if part.size == 0 or part.min() == part.max():
            raise TrainingError(
                f"the {name} part has {part.size} applications with {int(part.sum())} defaults: "
                "both classes are needed; train on more clients"
            )
