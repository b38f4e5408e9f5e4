"""Plain Python arithmetic for the oracles of the point-in-time tests: loops over rows, no engine."""

from datetime import timedelta
from itertools import pairwise
from statistics import fmean, pstdev

from event_files import T0


def visible(events, table, client, as_of):
    return [row for kind, row in events if (kind, row["SK_ID_CURR"]) == (table, client) and row["known_ts"] < as_of]


def newest(rows, key):
    return list({row[key]: row for row in sorted(rows, key=lambda row: row["known_ts"])}.values())


def days_since(as_of, offset):
    return (as_of - (T0 + timedelta(days=offset))) // timedelta(days=1)


def mean(values):
    present = [float(value) for value in values if value is not None]
    return fmean(present) if present else None


def largest(values):
    return max((value for value in values if value is not None), default=None)


def smallest(values):
    return min((value for value in values if value is not None), default=None)


def total(values):
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def quotient(top, bottom):
    return None if top is None or not bottom or bottom <= 0 else top / bottom


def latest(rows, key):
    return sorted(rows, key=lambda row: (row["event_ts"], row[key]), reverse=True)


def deviation(values):
    present = [float(value) for value in values if value is not None]
    return pstdev(present) if len(present) > 1 else None


def slope(points):
    """Least squares slope of (x, y) pairs; pairs without y do not count."""
    known = [(x, float(y)) for x, y in points if y is not None]
    if len({x for x, _ in known}) < 2:
        return None
    middle_x, middle_y = fmean(x for x, _ in known), fmean(y for _, y in known)
    moved = sum((x - middle_x) * (y - middle_y) for x, y in known)
    return moved / sum((x - middle_x) ** 2 for x, _ in known)


def difference(first, second):
    return None if first is None or second is None else first - second


def relative_changes(values):
    """Changes from each value to the next, relative to the earlier one."""
    return [
        (after - before) / before
        for before, after in pairwise(values)
        if before is not None and after is not None and before > 0
    ]


def month_states(events, table, client, as_of, key):
    """The newest known version of each month, with `ago` (whole months back), the oldest first."""
    versions = sorted(visible(events, table, client, as_of), key=lambda row: row["known_ts"])
    number = as_of.year * 12 + as_of.month - T0.year * 12 - T0.month
    newest_of = {(row[key], row["MONTHS_BALANCE"]): row for row in versions}
    rows = [row | {"ago": number - row["MONTHS_BALANCE"]} for row in newest_of.values()]
    return sorted(rows, key=lambda row: (-row["ago"], row[key]))
