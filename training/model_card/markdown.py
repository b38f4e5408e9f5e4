"""The card as Markdown, and the sections that the page is made of too."""

from collections.abc import Callable

from training.model_card.about import intended_use, limits, summary
from training.model_card.facts import CardFacts, Section
from training.model_card.fairness import fairness
from training.model_card.origin import data, features, provenance, settings
from training.model_card.performance import bands, calibration, cross_validation, explanations, figures, threshold

_SECTIONS: tuple[Callable[[CardFacts], Section | None], ...] = (
    summary,
    intended_use,
    data,
    features,
    settings,
    figures,
    cross_validation,
    calibration,
    threshold,
    bands,
    explanations,
    fairness,
    limits,
    provenance,
)


def sections(facts: CardFacts) -> list[Section]:
    """Every section that there are facts for, in reading order."""
    made = (section(facts) for section in _SECTIONS)
    return [section for section in made if section is not None]


def title(facts: CardFacts) -> str:
    """Name and, as far as known, version."""
    name = facts.bundle.manifest.name
    return name if facts.version is None else f"{name}, version {facts.version}"


def markdown(facts: CardFacts) -> str:
    """The whole card, without pictures."""
    parts = [f"# {title(facts)}", *(f"## {section.title}\n\n{section.text}" for section in sections(facts))]
    return "\n\n".join(parts) + "\n"
