"""The model card: what a model is for, what it was trained on, how good it is, what not to do with it."""

from credit.bundle.bundle import Bundle

_SHOWN = ("auc", "average_precision", "ks", "brier", "ece", "cost", "cost_approve_all", "baseline_auc", "oracle_auc")


def model_card(bundle: Bundle) -> str:
    """Markdown for the registry."""
    origin, metrics = bundle.manifest.provenance, bundle.metrics
    rows = ", ".join(f"{name} {count:,}" for name, count in origin.rows.items())
    figures = "\n".join(f"| {name} | {metrics[name]:.4f} |" for name in _SHOWN if name in metrics)
    strongest = ", ".join(list(bundle.importance)[:10])
    return f"""# {bundle.manifest.name}

Probability that an applicant will have payment difficulties, calibrated, with exact reasons.

- Features: `{bundle.contract.service}`, {len(bundle.contract.features)} features; protected attributes are excluded.
- Data: applications from {origin.data_from:%Y-%m-%d} to {origin.data_until:%Y-%m-%d}; {rows}.
- Calibration: {bundle.calibration.method}. Refused at a probability of {bundle.policy.threshold:.4f} or more
  (a default costs {bundle.policy.costs.false_negative:g}, a lost good client {bundle.policy.costs.false_positive:g}).
- Strongest features: {strongest}.
- Code: {origin.git_revision}; seed {origin.seed}.

| figure, out-of-time test | value |
|---|---|
{figures}

Not for: other products or countries than the training data's, decisions without the right to a human review,
applicants without an application on record. Application dates in the public data are synthetic, so that the
out-of-time test says nothing about real drift.
"""
