"""Results of `creditctl decisions` as text for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from credit.archive.verify import Verification
    from serving.decisions_replay import ReplayReport
    from serving.schemas.decisions import DecisionDetails


def details_text(details: "DecisionDetails") -> str:
    """One decision for people."""
    record = details.record
    lines = [
        f"decision {record.decision_id} of {record.decided_at.isoformat()}",
        f"client {record.client_id}: {record.decision.value}, probability {record.probability:.4%}, threshold "
        f"{record.threshold:.4%}, {record.points:.1f} points, risk band {record.risk_band}",
        f"model {record.model.name} version {record.model.version}, bundle {record.model.bundle[:12]}",
        f"asked by {record.caller}, request {record.request_id}",
    ]
    lines += [f"reason {reason.contribution:+.3f} {reason.feature}: {reason.text}" for reason in record.reasons]
    lines += [f"view {name}: {state.status.value}, as of {state.as_of}" for name, state in record.views.items()]
    if details.outcome is not None:
        lines.append(f"outcome: {details.outcome.outcome.value} on {details.outcome.date.isoformat()}")
    lines += [f"override: {each.decision.value} by {each.author}: {each.reason}" for each in details.overrides]
    return "\n".join(lines)


def replay_text(report: "ReplayReport") -> str:
    """What a replay found, for people."""
    lines = []
    for one in report.differing:
        what = "; ".join(f"{each.field} {each.recorded} -> {each.replayed}" for each in one.differences)
        lines.append(f"decision {one.decision_id} (version {one.model_version}) differs: {one.problem or what}")
    lines.append(f"{report.replayed:,} replayed, {report.identical:,} identical bit for bit")
    return "\n".join(lines)


def verify_text(found: "Sequence[Verification]", noted: str | None) -> str:
    """What a walk along the chains found, for people."""
    lines = []
    for one in found:
        state = "whole" if one.broken is None else f"BROKEN at record {one.broken.sequence}: {one.broken.problem}"
        where = "" if one.broken is None else f" ({one.broken.file})"
        lines.append(
            f"{one.stream}: {one.records:,} records in {one.files:,} files from record {one.first}: {state}{where}"
        )
        lines.append(f"  head {one.head.sequence} {one.head.hash}")
    if noted is not None:
        lines.append(f"noted hash {noted}: {'in the chain' if any(one.noted for one in found) else 'NOT in any chain'}")
    return "\n".join(lines)
