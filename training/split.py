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


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the clients, and about how many of them at most: what more would add, training needs more."""

    share: float
    most: int

    def of(self, clients: int) -> float:
        """The share that is taken of so many clients."""
        return min(self.share, self.most / clients) if clients else self.share


def split_applications(
    applied_at: NDArray[np.datetime64],
    persons: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    test: Part,
    validation: Part,
    calibration: Part,
    seed: int,
) -> Split:
    """Part n applications.

    The newest ones by T0 are the test. Persons of the older rest are drawn by a hash of their id, validation from one
    end and calibration from the other, so that new data moves nobody between these two; where it makes their shares
    smaller, some move to training.

    Raises:
        TrainingError: a part lacks one of the two classes.
    """
    newest = 1 - test.of(labels.size)
    in_test = applied_at > np.quantile(applied_at.astype(np.int64), newest).astype("datetime64[us]")
    tested_again = ~in_test & np.isin(persons, persons[in_test])
    older = ~in_test & ~tested_again
    draw, rest = _uniform(persons, seed), int(older.sum())
    validated = older & (draw < validation.of(rest))
    calibrated = older & (draw >= 1 - calibration.of(rest))
    split = Split(
        train=np.flatnonzero(older & ~validated & ~calibrated),
        validation=np.flatnonzero(validated),
        calibration=np.flatnonzero(calibrated),
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
