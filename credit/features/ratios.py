"""Ratios of the application form and summaries of the external scores.

Age is deliberately absent: it is a protected attribute, and a ratio with it would carry it into the decision.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

_EXTERNAL_SCORES = ("ext_source_1", "ext_source_2", "ext_source_3")

#: Features of the `application` view that the ratios are computed from.
RATIO_INPUTS: tuple[str, ...] = (
    "amt_credit",
    "amt_annuity",
    "amt_income_total",
    "amt_goods_price",
    "days_employed",
    "days_registration",
    "days_id_publish",
    "days_last_phone_change",
    *_EXTERNAL_SCORES,
)

#: name -> (numerator, denominator)
_QUOTIENTS: dict[str, tuple[str, str]] = {
    "credit_to_annuity": ("amt_credit", "amt_annuity"),
    "credit_to_goods": ("amt_credit", "amt_goods_price"),
    "credit_to_income": ("amt_credit", "amt_income_total"),
    "annuity_to_income": ("amt_annuity", "amt_income_total"),
    "income_to_days_employed": ("amt_income_total", "days_employed"),
    "phone_change_to_employed": ("days_last_phone_change", "days_employed"),
    "id_publish_to_registration": ("days_id_publish", "days_registration"),
}

#: Names that `application_ratios` returns, in this order.
RATIO_OUTPUTS: tuple[str, ...] = (
    *_QUOTIENTS,
    "goods_minus_credit",
    "ext_source_count",
    "ext_source_mean",
    "ext_source_min",
    "ext_source_max",
    "ext_source_std",
    "ext_source_product",
)


def application_ratios(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Compute every request-time feature.

    Each row depends on its own values only, through the same elementwise operations, so that a row gives the same
    bits alone and in a batch.

    Args:
        columns: every name of `RATIO_INPUTS`, each of shape (n,), NaN where null. Other names are ignored.

    Returns:
        Every name of `RATIO_OUTPUTS` in order, float64 of shape (n,). NaN where an input is missing or the
        denominator is zero. Summaries of the external scores use those present; with fewer than one present (two
        for the standard deviation, all three for the product) they are NaN, the count excepted.
    """
    taken = {name: np.asarray(columns[name], dtype=np.float64) for name in RATIO_INPUTS}
    ratios = {name: _quotient(taken[top], taken[bottom]) for name, (top, bottom) in _QUOTIENTS.items()}
    ratios["goods_minus_credit"] = taken["amt_goods_price"] - taken["amt_credit"]
    return ratios | _score_summaries(*(taken[name] for name in _EXTERNAL_SCORES))


def _quotient(top: Column, bottom: Column) -> Column:
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result


def _score_summaries(first: Column, second: Column, third: Column) -> dict[str, Column]:
    scores = (first, second, third)
    count = sum((~np.isnan(score)).astype(np.float64) for score in scores)
    assert isinstance(count, np.ndarray)
    mean = _quotient(_sum_present(scores), count)
    # Two passes: the one-pass formula cancels catastrophically for close scores.
    variance = _quotient(_sum_present([(score - mean) ** 2 for score in scores]), count)
    return {
        "ext_source_count": count,
        "ext_source_mean": mean,
        # Adding zero turns -0.0 into 0.0: which of two equal zeros fmin returns depends on the array's length.
        "ext_source_min": np.fmin(np.fmin(first, second), third) + 0.0,
        "ext_source_max": np.fmax(np.fmax(first, second), third) + 0.0,
        "ext_source_std": np.where(count > 1, np.sqrt(variance), np.nan),
        "ext_source_product": first * second * third,
    }


def _sum_present(columns: tuple[Column, ...] | list[Column]) -> Column:
    first, second, third = (np.where(np.isnan(column), 0.0, column) for column in columns)
    total: Column = (first + second) + third
    return total
