"""A handful of plain facts as raw columns of an application."""

from typing import Final

from serving.schemas.predict import SimpleRequest

_DAYS_PER_YEAR: Final = 365.25
_AS_THEY_ARE: Final = {
    "income": "AMT_INCOME_TOTAL",
    "credit_amount": "AMT_CREDIT",
    "annuity": "AMT_ANNUITY",
    "goods_price": "AMT_GOODS_PRICE",
    "external_score_1": "EXT_SOURCE_1",
    "external_score_2": "EXT_SOURCE_2",
    "external_score_3": "EXT_SOURCE_3",
    "education": "NAME_EDUCATION_TYPE",
}
_DAYS: Final = {"age_years": "DAYS_BIRTH", "years_employed": "DAYS_EMPLOYED"}
_FLAGS: Final = {"owns_car": "FLAG_OWN_CAR", "owns_realty": "FLAG_OWN_REALTY"}


def raw_columns(facts: SimpleRequest) -> dict[str, float | str]:
    """The columns that the stated facts give: years count back from the application in whole days."""
    given = facts.model_dump(exclude_none=True)
    columns: dict[str, float | str] = {column: given[name] for name, column in _AS_THEY_ARE.items() if name in given}
    columns |= {column: -round(given[name] * _DAYS_PER_YEAR) for name, column in _DAYS.items() if name in given}
    return columns | {column: "Y" if given[name] else "N" for name, column in _FLAGS.items() if name in given}
