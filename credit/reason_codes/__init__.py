"""Adverse-action reason texts in English and French."""

from credit.reason_codes.texts import Language, ReasonText, ReasonTexts, protected_features, reason_texts

__all__ = ["Language", "ReasonText", "ReasonTexts", "protected_features", "reason_texts"]
