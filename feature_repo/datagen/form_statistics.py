"""Statistics of the application form that the default process reads."""

import numpy as np

from credit.schemas.raw import DAYS_SENTINEL
from feature_repo.datagen.application import Applications
from feature_repo.datagen.columns import Floats
from feature_repo.datagen.parameters import parameters

#: Mean and standard deviation of each external score, and its weight.
_SCORES = (
    ("EXT_SOURCE_1", 0.502, 0.211, 0.9),
    ("EXT_SOURCE_2", 0.514, 0.191, 1.02),
    ("EXT_SOURCE_3", 0.511, 0.195, 1.08),
)


def form_statistics(applications: Applications) -> dict[str, Floats]:
    """Statistics of the application form."""
    income, credit = applications.floats("AMT_INCOME_TOTAL"), applications.floats("AMT_CREDIT")
    annuity = np.nan_to_num(applications.floats("AMT_ANNUITY"), nan=25_000.0)
    goods = np.nan_to_num(applications.floats("AMT_GOODS_PRICE"), nan=450_000.0)
    employed = applications.floats("DAYS_EMPLOYED")
    working = employed != DAYS_SENTINEL
    years_employed = np.where(working, -employed / 365.25, 0.0)
    age = -applications.floats("DAYS_BIRTH") / 365.25
    term, ratio = credit / annuity, credit / income
    car_age = np.nan_to_num(applications.floats("OWN_CAR_AGE"), nan=9.0)
    revolving = (applications.labels("NAME_CONTRACT_TYPE").codes == 1).astype(np.float64)
    scores = score_mean(applications)
    return {
        "scores": scores,
        "weak_scores": np.maximum(-0.6 - scores, 0.0),
        "age": age,
        "male": (applications.labels("CODE_GENDER").codes == 1).astype(np.float64),
        "years_employed": np.log1p(years_employed) * working + 1.7 * ~working,
        "car_age": np.minimum(car_age, 40.0),
        "labels": label_effects(applications),
        "rating": applications.floats("REGION_RATING_CLIENT_W_CITY"),
        "markup": np.clip(credit / goods, 1.0, 1.6),
        "short_term": np.exp(-(((term - 14.5) / 3.5) ** 2)) * (1 - revolving),
        "middle_ratio": np.exp(-(((np.log(ratio) - 1.2) / 0.6) ** 2)),
        "burden": np.minimum(annuity / income, 0.6),
        "young_burden": np.maximum(35 - age, 0.0) * np.minimum(annuity / income, 0.6),
        "revolving": revolving,
        "phone": np.nan_to_num(applications.floats("DAYS_LAST_PHONE_CHANGE")) / 365.25,
        "id_age": applications.floats("DAYS_ID_PUBLISH") / 365.25,
        "work_elsewhere": applications.floats("REG_CITY_NOT_WORK_CITY"),
        "document_3": applications.floats("FLAG_DOCUMENT_3"),
        "circle": np.minimum(np.nan_to_num(applications.floats("DEF_30_CNT_SOCIAL_CIRCLE")), 3.0),
    }


def score_mean(applications: Applications) -> Floats:
    """Standardised external scores, summed with weights that account for the missing ones."""
    total, present = np.zeros(applications.no_bureau.size), np.zeros(applications.no_bureau.size)
    for name, mean, deviation, weight in _SCORES:
        z = weight * (applications.floats(name) - mean) / deviation
        present += ~np.isnan(z)
        total += np.nan_to_num(z)
    shared: Floats = total / np.array([1.0, 1.0, 1.15, 1.3])[present.astype(np.int64)]
    return shared


def label_effects(applications: Applications) -> Floats:
    """Sum of the log-odds of the form's categories."""
    effect = np.zeros(applications.no_bureau.size)
    for name in (
        "NAME_EDUCATION_TYPE",
        "NAME_FAMILY_STATUS",
        "NAME_HOUSING_TYPE",
        "OCCUPATION_TYPE",
        "ORGANIZATION_TYPE",
        "NAME_INCOME_TYPE",
    ):
        column, log_odds_ = applications.labels(name), parameters().application.categories[name].log_odds
        padded = np.concatenate([log_odds_, np.zeros(len(column.names) - log_odds_.size + 1)])
        effect += padded[column.codes]
    return effect
