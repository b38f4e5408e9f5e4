"""The gate `fairness`: no group of people is refused, or misjudged, much more than another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.fairness import AttributeFairness, fairness_report
from training.gates.calibration import sampling_bound
from training.gates.report import Gate
from training.gates.settings import FairnessLimits, GateSettings


@dataclass(frozen=True, slots=True)
class _Finding:
    """One figure of one attribute."""

    name: str
    figure: float
    problem: str | None


def fairness_gate(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    threshold: float,
    groups: Mapping[str, Sequence[str]],
    settings: GateSettings,
) -> Gate:
    """Hold every attribute against its limits, at the threshold that decides.

    Groups too small to tell are named and not judged; an attribute whose groups are not known refuses.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: calibrated, shape (n,).
        threshold: refused at or above it.
        groups: by attribute, each client's group.
        settings: limits.
    """
    limits = settings.fairness
    if unknown := [name for name in limits if name not in groups]:
        return Gate(name="fairness", passed=False, sentence=f"cannot be judged: {', '.join(unknown)} not known")
    watched = {name: groups[name] for name in limits}
    report = fairness_report(labels, probabilities, threshold, watched, settings.small_group)
    findings: list[_Finding] = []
    too_small: list[str] = []
    for attribute in report.attributes:
        large, small = _by_size(attribute, settings.small_group)
        too_small += [f"{attribute.attribute} {group}" for group in small]
        if large:
            members = np.asarray(groups[attribute.attribute], dtype=object)
            findings += _findings(attribute, limits[attribute.attribute])
            findings += _calibration(attribute, large, members, probabilities, limits[attribute.attribute])
    return _gate(findings, too_small, settings)


def _by_size(attribute: AttributeFairness, small_group: int) -> tuple[list[str], list[str]]:
    large = [group.group for group in attribute.groups if group.clients >= small_group]
    return large, [group.group for group in attribute.groups if group.clients < small_group]


def _findings(attribute: AttributeFairness, limits: FairnessLimits) -> Iterator[_Finding]:
    ratio, gap, name = attribute.adverse_impact_ratio, attribute.false_positive_gap, attribute.attribute
    low = f"adverse impact ratio of {name} {ratio:.3f}, below {limits.adverse_impact_ratio:g}"
    yield _Finding(f"{name}_adverse_impact_ratio", ratio, low if ratio < limits.adverse_impact_ratio else None)
    wide = f"share of payers refused differs by {gap:.3f} between groups of {name}, above {limits.false_positive_gap:g}"
    yield _Finding(f"{name}_false_positive_gap", gap, wide if gap > limits.false_positive_gap else None)


def _calibration(
    attribute: AttributeFairness,
    judged: Sequence[str],
    members: NDArray[np.object_],
    probabilities: NDArray[np.float64],
    limits: FairnessLimits,
) -> Iterator[_Finding]:
    """How much further a judged group's mean probability lies from its default rate than everybody's does.

    What all share is the calibration gate's business. Chance is allowed for, group by group.
    """
    clients = sum(group.clients for group in attribute.groups)
    shared = sum(group.calibration_gap * group.clients for group in attribute.groups) / clients
    for group in attribute.groups:
        if group.group not in judged:
            continue
        allowed = max(limits.calibration_gap, sampling_bound(probabilities[members == group.group]))
        gap = group.calibration_gap - shared
        whom = f"{attribute.attribute} {group.group}"
        far = f"mean PD less default rate of {whom} lies {gap:+.3f} from that of all clients, beyond {allowed:.3f}"
        name = f"{whom.replace(' ', '_')}_calibration_gap"
        yield _Finding(name, gap, far if abs(gap) > allowed else None)


def _gate(findings: Sequence[_Finding], too_small: Sequence[str], settings: GateSettings) -> Gate:
    unjudged = f"not judged, below {settings.small_group} clients: {', '.join(too_small)}" if too_small else ""
    if not findings:
        return Gate(name="fairness", passed=False, sentence=f"cannot be judged: every group is too small ({unjudged})")
    problems = [finding.problem for finding in findings if finding.problem]
    ratios = [finding.figure for finding in findings if finding.name.endswith("_adverse_impact_ratio")]
    sentence = "; ".join(problems) or f"every group within its limits, lowest adverse impact ratio {min(ratios):.3f}"
    return Gate(
        name="fairness",
        passed=not problems,
        figure=min(ratios),
        sentence=f"{sentence}; {unjudged}" if unjudged else sentence,
        details={finding.name: finding.figure for finding in findings},
    )
