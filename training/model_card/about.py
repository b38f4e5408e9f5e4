"""What the model is for, what it is not for, and what it cannot know."""

from training.model_card.facts import CardFacts, Section
from training.wording import percent, with_interval


def summary(facts: CardFacts) -> Section:
    """The card in five lines."""
    metrics, policy = facts.bundle.metrics, facts.bundle.policy
    lines = [
        f"- Ranking: AUC {with_interval(metrics, 'auc')}{_better(facts)}." if "auc" in metrics else "",
        f"- Calibration: expected calibration error {with_interval(metrics, 'ece', 4)}." if "ece" in metrics else "",
        f"- Decision: refused at a probability of {policy.threshold:.4f} or more; "
        f"{percent(metrics.get('approval_rate'))} are approved, {percent(metrics.get('default_rate_approved'))} of "
        "these default.",
        f"- Money: {with_interval(metrics, 'cost_saving')} less cost per client than approving everybody."
        if "cost_saving" in metrics
        else "",
    ]
    intro = "Probability that an applicant will have payment difficulties, calibrated, with exact reasons."
    shown = "\n".join(line for line in lines if line)
    return Section("Summary", f"{intro} All figures are of the out-of-time test.\n\n{shown}")


def intended_use(facts: CardFacts) -> Section:
    """For and not for."""
    return Section(
        "Intended use",
        f"""For: deciding consumer credit applications of known clients at the time of the application, with the
features of `{facts.bundle.contract.service}`; ranking and monitoring the portfolio that those decisions make.

Not for:

- products, countries or periods other than those of the training data;
- decisions without the right to a review by a person;
- applicants without an application on record: they are not scored;
- setting prices or limits: the probability says who defaults, not how much is lost;
- anything with protected attributes: they are no features, and never a reason.""",
    )


def limits(facts: CardFacts) -> Section:
    """What the figures do not say."""
    rows = facts.bundle.manifest.provenance.rows
    return Section(
        "Limits",
        f"""- Application dates of the public data are synthetic: the data tells weekday and hour only. The out-of-time
  test proves that nothing was tuned on it; it says nothing about real drift.
- Labels exist for granted applications only. How refused applicants would have paid is not known.
- Intervals are of the sampling of {rows.get("test", 0):,} test clients. They hold the model fixed, and know nothing of
  another training sample, a changed economy or changed data.
- Costs are two numbers, the same for every client. Exposure, recoveries and margins are not modelled.
- Contributions explain the model, not the world: changing a feature need not change the risk.""",
    )


def _better(facts: CardFacts) -> str:
    if "auc_over_baseline" not in facts.bundle.metrics:
        return ""
    return f"; minus that of a logistic regression {with_interval(facts.bundle.metrics, 'auc_over_baseline')}"
