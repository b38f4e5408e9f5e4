"""How groups of people fare."""

from training.fairness import AttributeFairness
from training.model_card.facts import CardFacts, Section, table
from training.wording import in_reading_order, percent

#: Figure of an attribute, how it is called, and whether a small value is the bad one.
_WORST = (
    ("adverse_impact_ratio", "adverse impact ratio", True),
    ("false_positive_gap", "gap in payers refused", False),
    ("false_negative_gap", "gap in defaulters approved", False),
    ("calibration_gap", "largest calibration gap", False),
)


def fairness(facts: CardFacts) -> Section | None:
    """Groups, the worst between them, limits, and what is not judged."""
    if facts.report is None or facts.report.fairness is None:
        return None
    found = facts.report.fairness
    parts = [
        f"""At threshold {found.threshold:.4f}. These attributes are no features of the model: it is only measured
against them. Groups that are too small to tell are shown and not judged.""",
        *(_groups(attribute) for attribute in found.attributes),
        _worst(facts, found.attributes),
        """Limits are in brackets; what lies beyond its limit is bold, by chance or not: the gate tells, and decides.

The adverse impact ratio is the lowest over the highest approval rate; the four-fifths rule asks for 0.8.
Groups differ in how often they default, so that equal approval and equal errors cannot both hold for calibrated
probabilities.

Not judged: combinations of attributes, attributes that the data does not hold (origin, religion, health), and who
applies at all.""",
    ]
    return Section("Fairness", "\n\n".join(parts), ("fairness",))


def _groups(attribute: AttributeFairness) -> str:
    rows = [
        [
            one.group if one.group in attribute.judged else f"{one.group} (not judged)",
            f"{one.clients:,}",
            percent(one.approval_rate),
            percent(one.false_positive_rate),
            percent(one.false_negative_rate),
            percent(one.mean_probability),
            percent(one.default_rate),
        ]
        for one in in_reading_order(attribute.groups)
    ]
    name = attribute.attribute.replace("_", " ")
    return table(
        [name, "clients", "approved", "payers refused", "defaulters approved", "mean probability", "default rate"], rows
    )


def _worst(facts: CardFacts, attributes: tuple[AttributeFairness, ...]) -> str:
    rows = [
        [title, *(_judged(attribute, name, low_is_bad, facts) for attribute in attributes)]
        for name, title, low_is_bad in _WORST
    ]
    return table(["worst", *(one.attribute.replace("_", " ") for one in attributes)], rows)


def _judged(attribute: AttributeFairness, name: str, low_is_bad: bool, facts: CardFacts) -> str:
    value = float(getattr(attribute, name))
    limit = facts.fairness_limits.get(attribute.attribute, {}).get(name)
    if limit is None:
        return f"{value:.3f}"
    text = f"{value:.3f} (at {'least' if low_is_bad else 'most'} {limit:g})"
    return f"**{text}**" if (value < limit if low_is_bad else value > limit) else text
