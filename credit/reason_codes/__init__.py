"""Adverse-action reason texts in English and French."""

from credit.reason_codes.texts import LANGUAGES, Language, ReasonText, ReasonTexts, protected_features, reason_texts

__all__ = ["LANGUAGES", "Language", "ReasonText", "ReasonTexts", "protected_features", "reason_texts"]
