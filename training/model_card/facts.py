"""What a model card is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from credit.bundle.bundle import Bundle
from training.report import ModelReport


class Constraint(Protocol):
    """Why a feature may move the risk in one direction only."""

    @property
    def direction(self) -> Literal["rises", "falls"]:
        """Of the risk, as the feature grows."""

    @property
    def why(self) -> str:
        """The domain's reason."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """One model and what is known of it; sections without facts are left out.

    Attributes:
        bundle: origin, policy, figures, importance.
        report: of the run that made it.
        monotone: constraints by feature, of others than the model's too; None where nobody says.
        cross_validation: each fold's value, by figure; such as {"auc": [0.78, 0.79]}.
        fairness_limits: by attribute and figure of `AttributeFairness`; a ratio must not be below, a gap not above.
        version: registered number, as far as known.
    """

    bundle: Bundle
    report: ModelReport | None = None
    monotone: Mapping[str, Constraint] | None = None
    cross_validation: Mapping[str, Sequence[float]] = field(default_factory=dict)
    fairness_limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, Markdown below it, and names of the pictures that go with it."""

    title: str
    text: str
    pictures: tuple[str, ...] = ()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is aligned right unless its head begins with a space."""
    rules = ["---" if at == 0 or name.startswith(" ") else "---:" for at, name in enumerate(head)]
    lines = [[name.strip() for name in head], rules, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
