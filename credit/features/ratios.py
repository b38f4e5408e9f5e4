"""Request-time features: requested amounts, their ratios, score summaries, and what only two views together tell.

A request may override the amounts of the stored application. Everything here is computed from the effective amounts
(the override where there is one, else what is stored), so that a model sees one consistent set.
Age is deliberately absent: it is a protected attribute, and a ratio with it would carry it into the decision.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from credit.errors import FeatureError
from credit.schemas.overrides import LARGEST_AMOUNT, OVERRIDABLE, SMALLEST_AMOUNT

Column = NDArray[np.float64]

_EXTERNAL_SCORES = ("ext_source_1", "ext_source_2", "ext_source_3")
#: An external score says nothing here: it lies between 0 and 1.
_MIDDLE_SCORE = 0.5
_DAYS_PER_YEAR = 365.25
#: Near the means of the generated portfolio, nothing counted as 0: an interaction is a product of two deviations.
_USUAL_DEBT, _USUAL_BURDEN, _USUAL_REFUSALS, _USUAL_YEARS = 0.35, 0.17, 0.1, 3.2

#: Stored features that the request-time features are computed from: of the `application` view, then of others.
RATIO_INPUTS: tuple[str, ...] = (
    *OVERRIDABLE,
    "days_employed",
    "days_registration",
    "days_id_publish",
    "days_last_phone_change",
    *_EXTERNAL_SCORES,
    "bureau_active_count",
    "bureau_closed_share",
    "bureau_days_since_credit_mean",
    "bureau_debt_ratio_active_mean",
    "inst_late_share",
    "prev_application_count",
    "prev_refused_share",
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
    *(f"requested_{name}" for name in OVERRIDABLE),
    *_QUOTIENTS,
    "goods_minus_credit",
    "ext_source_count",
    "ext_source_mean",
    "ext_source_min",
    "ext_source_max",
    "ext_source_product",
    "ext_source_sum",
    "ext_source_sum_by_term",
    "ext_source_sum_by_lateness",
    "debt_by_burden",
    "lateness_by_open_credits",
    "refusals_by_credit_age",
    "debt_burden_interaction",
    "refusals_age_interaction",
)


def application_ratios(
    columns: Mapping[str, Column], overrides: Mapping[str, Column] | None = None
) -> dict[str, Column]:
    """Compute every request-time feature.

    Each row depends on its own values only, through the same elementwise operations, so that a row gives the same
    bits alone and in a batch.

    Args:
        columns: every name of `RATIO_INPUTS`, each of shape (n,), NaN where null. Other names are ignored.
        overrides: names of `OVERRIDABLE`, each of shape (n,), NaN where the stored value stays. An override counts as
            if it were stored, which means rounded to float32: overriding a value with itself changes nothing.

    Returns:
        Every name of `RATIO_OUTPUTS` in order, float64 of shape (n,). NaN where an input is missing or the
        denominator is zero. Summaries of the external scores use those present; without any (the
        product: without all three) they are NaN, the count excepted. `ext_source_sum` adds
        how far each score present lies above 0.5: several weak scores weigh more than one.

    Raises:
        FeatureError: a feature cannot be overridden, or an override is outside the limits of an amount.
    """
    taken = {name: np.asarray(columns[name], dtype=np.float64) for name in RATIO_INPUTS}
    taken |= _effective(taken, overrides or {})
    # Copies: a caller may fill what it gets without changing what it gave.
    features = {f"requested_{name}": taken[name].copy() for name in OVERRIDABLE}
    features |= {name: _quotient(taken[top], taken[bottom]) for name, (top, bottom) in _QUOTIENTS.items()}
    features["goods_minus_credit"] = taken["amt_goods_price"] - taken["amt_credit"]
    features |= _score_summaries(*(taken[name] for name in _EXTERNAL_SCORES))
    return features | _combinations(taken, features)


def _combinations(stored: Mapping[str, Column], features: Mapping[str, Column]) -> dict[str, Column]:
    """What two views only tell together: lenders look at these pairs, and trees need many defaults to find them."""
    scores, lateness = features["ext_source_sum"], stored["inst_late_share"]
    burden = features["annuity_to_income"]
    years = stored["bureau_days_since_credit_mean"] / _DAYS_PER_YEAR
    debt = _nothing_where_none(stored["bureau_debt_ratio_active_mean"], stored["bureau_active_count"])
    refusals = _nothing_where_none(stored["prev_refused_share"], stored["prev_application_count"])
    return {
        "ext_source_sum_by_term": scores * features["credit_to_annuity"],
        "ext_source_sum_by_lateness": scores * lateness,
        "debt_by_burden": stored["bureau_debt_ratio_active_mean"] * burden,
        "lateness_by_open_credits": lateness * (1.0 - stored["bureau_closed_share"]),
        "refusals_by_credit_age": _quotient(stored["prev_refused_share"], 1.0 + years),
        "debt_burden_interaction": (debt - _USUAL_DEBT) * (burden - _USUAL_BURDEN),
        "refusals_age_interaction": (refusals - _USUAL_REFUSALS) * (_USUAL_YEARS - years),
    }


def _nothing_where_none(share: Column, count: Column) -> Column:
    """A share of nothing is 0; null stays null where not even the count is known."""
    return np.where(np.isnan(share) & (count == 0), 0.0, share)


def _effective(stored: Mapping[str, Column], overrides: Mapping[str, Column]) -> dict[str, Column]:
    """The overridden columns."""
    if unknown := sorted(set(overrides) - set(OVERRIDABLE)):
        raise FeatureError(f"{', '.join(unknown)} cannot be overridden; {', '.join(OVERRIDABLE)} can")
    return {name: _overridden(name, stored[name], np.asarray(stated)) for name, stated in overrides.items()}


def _overridden(name: str, stored: Column, stated: Column) -> Column:
    given = ~np.isnan(stated)
    if not ((stated[given] >= SMALLEST_AMOUNT) & (stated[given] <= LARGEST_AMOUNT)).all():
        raise FeatureError(f"an override of {name} must lie between {SMALLEST_AMOUNT:g} and {LARGEST_AMOUNT:g}")
    return np.where(given, stated.astype(np.float32).astype(np.float64), stored)


def _quotient(top: Column, bottom: Column) -> Column:
    result = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result


def _score_summaries(first: Column, second: Column, third: Column) -> dict[str, Column]:
    scores = (first, second, third)
    count = sum((~np.isnan(score)).astype(np.float64) for score in scores)
    assert isinstance(count, np.ndarray)
    mean = _quotient(_sum_present(scores), count)
    return {
        "ext_source_count": count,
        "ext_source_mean": mean,
        # Adding zero turns -0.0 into 0.0: which of two equal zeros fmin returns depends on the array's length.
        "ext_source_min": np.fmin(np.fmin(first, second), third) + 0.0,
        "ext_source_max": np.fmax(np.fmax(first, second), third) + 0.0,
        "ext_source_product": first * second * third,
        "ext_source_sum": np.where(count > 0, _sum_present([score - _MIDDLE_SCORE for score in scores]), np.nan),
    }


def _sum_present(columns: tuple[Column, ...] | list[Column]) -> Column:
    first, second, third = (np.where(np.isnan(column), 0.0, column) for column in columns)
    total: Column = (first + second) + third
    return total
