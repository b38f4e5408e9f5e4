"""Fairness of decisions between groups of people: approval, errors and calibration, measured on unseen clients.

Positive means default. A group's false positive rate is the share of its payers who are refused, its false negative
rate the share of its defaulters who are approved.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit.schemas.features import Frozen

#: Years at which an age band begins.
AGE_BANDS = (25, 35, 45, 55, 65)
_DAYS_PER_YEAR = 365.25
#: A group below this says more about chance than about fairness; it is shown, and judged by nobody.
SMALL_GROUP = 200
#: The worst between the judged groups of an attribute, as `AttributeFairness` names it.
FAIRNESS_FIGURES = ("adverse_impact_ratio", "false_positive_gap", "false_negative_gap", "calibration_gap")


class GroupFigures(Frozen):
    """How one group fares. A rate over nobody is None."""

    group: str
    clients: int
    defaults: int
    approval_rate: float
    false_positive_rate: float | None
    false_negative_rate: float | None
    mean_probability: float
    default_rate: float

    @property
    def calibration_gap(self) -> float:
        """Mean probability minus default rate: above 0, the group is thought riskier than it is."""
        return self.mean_probability - self.default_rate


class AttributeFairness(Frozen):
    """All groups of one attribute, by name, and the worst between those that are judged; parity if there are none.

    Attributes:
        attribute: such as gender.
        groups: every group, small ones too.
        judged: names of the groups that are large enough.
        adverse_impact_ratio: lowest over highest approval rate; 1 is parity, the four-fifths rule asks for 0.8.
        false_positive_gap: highest minus lowest share of payers refused.
        false_negative_gap: highest minus lowest share of defaulters approved.
        calibration_gap: the largest distance of a mean probability from its default rate.
    """

    attribute: str
    groups: tuple[GroupFigures, ...]
    judged: tuple[str, ...]
    adverse_impact_ratio: float
    false_positive_gap: float
    false_negative_gap: float
    calibration_gap: float


class FairnessReport(Frozen):
    """Every attribute, at the threshold that decides."""

    threshold: float
    clients: int
    attributes: tuple[AttributeFairness, ...]


def fairness_report(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    threshold: float,
    groups: Mapping[str, Sequence[str]],
    small_group: int = SMALL_GROUP,
) -> FairnessReport:
    """How each group of n clients fares.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: calibrated, shape (n,).
        threshold: refused at or above it.
        groups: by attribute, the group of each of the n clients.
        small_group: groups of fewer clients are not judged.
    """
    found = tuple(
        _attribute(name, labels, probabilities, threshold, np.asarray(values, dtype=object), small_group)
        for name, values in groups.items()
    )
    return FairnessReport(threshold=threshold, clients=labels.size, attributes=found)


def fairness_groups(demographics: pa.Table) -> dict[str, list[str]]:
    """The groups that are watched, from columns code_gender, days_birth (days, negative) and name_family_status.

    Returns:
        gender, age_band and family_status, one text per row; "unknown" for null.
    """
    years = pc.fill_null(demographics["days_birth"].cast(pa.float64()), float("nan")).to_numpy() / -_DAYS_PER_YEAR
    return {
        "gender": _texts(demographics["code_gender"]),
        "age_band": [_age_band(age) for age in years.tolist()],
        "family_status": _texts(demographics["name_family_status"]),
    }


def _attribute(
    name: str,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    threshold: float,
    groups: NDArray[np.object_],
    small_group: int,
) -> AttributeFairness:
    figures = [
        _group(str(group), labels[rows], probabilities[rows], threshold)
        for group in sorted(set(groups.tolist()))
        if (rows := groups == group).any()
    ]
    judged = [one for one in figures if one.clients >= small_group]
    approvals = [one.approval_rate for one in judged]
    return AttributeFairness(
        attribute=name,
        groups=tuple(figures),
        judged=tuple(one.group for one in judged),
        adverse_impact_ratio=min(approvals) / max(approvals) if any(approvals) else 1.0,
        false_positive_gap=_spread([one.false_positive_rate for one in judged]),
        false_negative_gap=_spread([one.false_negative_rate for one in judged]),
        calibration_gap=max((abs(one.calibration_gap) for one in judged), default=0.0),
    )


def _group(name: str, labels: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float) -> GroupFigures:
    refused, defaulted = probabilities >= threshold, labels == 1
    return GroupFigures(
        group=name,
        clients=labels.size,
        defaults=int(defaulted.sum()),
        approval_rate=float(np.mean(~refused)),
        false_positive_rate=_share(refused, ~defaulted),
        false_negative_rate=_share(~refused, defaulted),
        mean_probability=float(probabilities.mean()),
        default_rate=float(defaulted.mean()),
    )


def _share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(of[among].mean()) if among.any() else None


def _spread(rates: Sequence[float | None]) -> float:
    known = [rate for rate in rates if rate is not None]
    return max(known) - min(known) if known else 0.0


def _texts(column: pa.ChunkedArray) -> list[str]:
    texts: list[str] = pc.fill_null(column.cast(pa.string()), "unknown").to_pylist()
    return texts


def _age_band(years: float) -> str:
    if np.isnan(years):
        return "unknown"
    lower = [start for start in AGE_BANDS if years >= start]
    if not lower:
        return f"below {AGE_BANDS[0]}"
    upper = AGE_BANDS[AGE_BANDS.index(lower[-1]) + 1 :]
    return f"{lower[-1]} to {upper[0] - 1}" if upper else f"{lower[-1]} and over"
