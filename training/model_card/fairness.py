"""How groups of people fare."""

from training.fairness import SMALL_GROUP, AttributeFairness
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
against them. Groups of fewer than {SMALL_GROUP} clients are shown and not judged.""",
        *(_groups(attribute) for attribute in found.attributes),
        _worst(facts, found.attributes),
        """The adverse impact ratio is the lowest over the highest approval rate; the four-fifths rule asks for 0.8.
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
    rows = []
    for name, title, low_is_bad in _WORST:
        limit = facts.fairness_limits.get(name)
        values = [float(getattr(attribute, name)) for attribute in attributes]
        cells = [_judged(value, limit, low_is_bad) for value in values]
        bound = "–" if limit is None else f"{'at least' if low_is_bad else 'at most'} {limit:.3f}"
        rows.append([title, *cells, bound])
    return table(["worst", *(one.attribute.replace("_", " ") for one in attributes), "limit"], rows)


def _judged(value: float, limit: float | None, low_is_bad: bool) -> str:
    if limit is None:
        return f"{value:.3f}"
    missed = value < limit if low_is_bad else value > limit
    return f"**{value:.3f} (missed)**" if missed else f"{value:.3f}"
