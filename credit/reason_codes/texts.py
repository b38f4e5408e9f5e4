"""Reason texts: what a contribution towards refusal means to an applicant, by feature or group of features."""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Final, Literal, Self, get_args

from pydantic import model_validator

from credit.errors import FeatureError
from credit.schemas.features import Frozen

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class ReasonText(Frozen):
    """One reason in every language."""

    en: str
    fr: str


class ReasonGroup(Frozen):
    """One text for all features that match a pattern; patterns are tried in order."""

    pattern: str
    text: ReasonText


class ReasonTexts(Frozen):
    """The versioned reason texts. A feature's own text wins over its group's.

    `protected` names attributes that must never be a reason, because they must never be in the decision.
    """

    version: int
    protected: tuple[str, ...]
    features: dict[str, ReasonText]
    groups: tuple[ReasonGroup, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if offending := sorted(set(self.protected) & set(self.features)):
            raise ValueError(f"protected attributes cannot be reasons: {', '.join(offending)}")
        return self

    def text(self, feature: str, language: Language) -> str:
        """The reason for one feature.

        Raises:
            FeatureError: the feature is protected or has no text.
        """
        found = self.features.get(feature) or self._group(feature)
        if found is None:
            raise FeatureError(f"feature {feature} has no reason text: add one to credit/reason_codes/texts.json")
        return found.en if language == "en" else found.fr

    def problems(self, names: Iterable[str]) -> tuple[str, ...]:
        """What keeps these features of a contract from being explained: a lacking text or a protected attribute."""
        found: list[str] = []
        for name in names:
            text = self.features.get(name) or self._group(name)
            if name in self.protected:
                found.append(f"{name} is protected and must not be a feature")
            elif text is None or not text.en.strip() or not text.fr.strip():
                found.append(f"{name} lacks an English or a French text")
        return tuple(found)

    def frozen_for(self, names: Iterable[str]) -> "ReasonTexts":
        """Only the texts of these features, each resolved to its own entry: what a bundle carries.

        Raises:
            FeatureError: a feature is protected or has no text.
        """
        own = {name: ReasonText(en=self.text(name, "en"), fr=self.text(name, "fr")) for name in names}
        return ReasonTexts(version=self.version, protected=self.protected, features=own)

    def _group(self, feature: str) -> ReasonText | None:
        if feature in self.protected:
            return None
        return next((group.text for group in self.groups if fnmatchcase(feature, group.pattern)), None)


@cache
def reason_texts() -> ReasonTexts:
    """The texts of this version of the platform."""
    return ReasonTexts.model_validate(
        json.loads(files("credit.reason_codes").joinpath("texts.json").read_text("utf-8"))
    )


def protected_features() -> frozenset[str]:
    """Features that must not enter a decision."""
    return frozenset(reason_texts().protected)
