"""Ranges of calendar months, and the moments at which month-end history stands."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.errors import DataError

#: What `--spine` calls month-end history.
MONTH_ENDS: Final = "month-ends"
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_NAME = re.compile(rf"{MONTH_ENDS}-(\d{{4}}-\d{{2}})-(\d{{4}}-\d{{2}})")


@dataclass(frozen=True, slots=True)
class Months:
    """The whole months from `first` to `last`, both included, each as numpy's datetime64[M]."""

    first: np.datetime64
    last: np.datetime64

    @classmethod
    def parse(cls, first: str, last: str) -> "Months":
        """The range from `first` to `last`, each written like 2023-01.

        Raises:
            DataError: a month is written otherwise, or the range runs backwards.
        """
        wrong = [text for text in (first, last) if not _MONTH.fullmatch(text)]
        if wrong:
            raise DataError(f"no month: {' and '.join(map(repr, wrong))}; write year and month, like 2023-01")
        if first > last:
            raise DataError(f"the months run backwards, from {first} to {last}: swap them")
        return cls(np.datetime64(first, "M"), np.datetime64(last, "M"))

    @classmethod
    def of_name(cls, name: str) -> "Months | None":
        """The range of a spine called `name`, or None if the name is not one of month ends.

        Raises:
            DataError: see `parse`.
        """
        found = _NAME.fullmatch(name)
        return cls.parse(found[1], found[2]) if found else None

    @property
    def name(self) -> str:
        """The spine's name, for people, runs and fingerprints."""
        return f"{MONTH_ENDS}-{self.first}-{self.last}"

    @property
    def ends(self) -> NDArray[np.datetime64]:
        """The first instant (UTC) after each month, as datetime64[us].

        History counts with `known_ts < as_of`, and what a month brings is known at its last microsecond at the latest:
        as of the next month's first instant the whole month counts, and nothing after it.
        """
        ends: NDArray[np.datetime64] = (np.arange(self.first, self.last + 1) + 1).astype("datetime64[us]")
        return ends

    def refuse_after(self, present: datetime) -> None:
        """Refuse months that have not ended by `present`, the present of the data world (UTC).

        Raises:
            DataError: says which month is the last that ended.
        """
        if self.ends[-1] > np.datetime64(present.astimezone(UTC).replace(tzinfo=None), "us"):
            ended = np.datetime64(f"{present.astimezone(UTC):%Y-%m}", "M") - 1
            raise DataError(
                f"month {self.last} has not ended: the present of the data is {present.isoformat()}, "
                f"the last month with an end is {ended}"
            )
