"""Which features a client can change by an own act, in which direction: a judgement, kept in `mutable.json`."""

import json
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from credit.reason_codes import Language, ReasonText
from credit.schemas.features import Frozen

#: How a feature moves when a client acts to be approved.
Direction = Literal["up", "down", "either"]


class MutableFeatures(Frozen):
    """Stored features that one act changes.

    `low` and `high` enclose the values that a change may lead to. A change towards refusal goes the other way.
    """

    features: tuple[str, ...] = Field(min_length=1)
    towards_approval: Direction
    low: float
    high: float | None = None
    text: ReasonText

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.high is not None and self.high <= self.low:
            raise ValueError("a mutable feature needs room between low and high")
        return self

    def act(self, language: Language) -> str:
        """What the client would do."""
        return self.text.en if language == "en" else self.text.fr

    def may_rise(self, refused: bool) -> bool:
        """Whether the feature may grow in order to turn the decision round."""
        return self.towards_approval != ("down" if refused else "up")

    def may_fall(self, refused: bool) -> bool:
        """Whether the feature may shrink in order to turn the decision round."""
        return self.towards_approval != ("up" if refused else "down")


@cache
def mutable_features() -> dict[str, MutableFeatures]:
    """The judgement by feature, in the order of the file."""
    text = files("credit.counterfactual").joinpath("mutable.json").read_text("utf-8")
    groups = TypeAdapter(tuple[MutableFeatures, ...]).validate_python(json.loads(text))
    return {name: group for group in groups for name in group.features}
