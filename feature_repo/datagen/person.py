"""The applicant: age, family, education, car, work."""

from collections.abc import Mapping

import numpy as np

from credit.schemas.raw import DAYS_SENTINEL
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Column, Floats, Labels, Table, masked, numbers
from feature_repo.datagen.draws import from_quantiles, from_shares, pick, pick_rows, upper_tail
from feature_repo.datagen.parameters import parameters

#: Odds of an occupation for a man against a woman (1 elsewhere).
_MALE_ODDS: Mapping[str, float] = {
    "Drivers": 25.0,
    "Security staff": 4.0,
    "Laborers": 2.5,
    "Low-skill Laborers": 3.0,
    "IT staff": 2.5,
    "High skill tech staff": 1.6,
    "Managers": 1.3,
    "Sales staff": 0.2,
    "Core staff": 0.5,
    "Accountants": 0.08,
    "Medicine staff": 0.06,
    "Cooking staff": 0.2,
    "Cleaning staff": 0.15,
    "Private service staff": 0.2,
    "Secretaries": 0.03,
    "HR staff": 0.2,
}
#: Factor that orders a category's labels, worst first, by its log-odds of default.
_ORDERED_BY = {
    "NAME_EDUCATION_TYPE": "education",
    "NAME_FAMILY_STATUS": "settled",
    "NAME_HOUSING_TYPE": "settled",
}


def person_columns(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
    """Gender, age, family, education, home, car, registration."""
    settings, latent, n = parameters().application, clients.latent, clients.size
    male = latent["male"] > upper_tail(0.3415)
    birth = np.round(from_quantiles(latent["DAYS_BIRTH"], settings.quantiles["DAYS_BIRTH"]))
    car = 0.45 * latent["male"] + 0.3 * latent["AMT_INCOME_TOTAL"] + 0.8 * rng.standard_normal(n)
    has_car = car / np.sqrt(0.45**2 + 0.3**2 + 0.64 + 2 * 0.45 * 0.3 * 0.25) > upper_tail(0.3401)
    car_age = np.round(np.maximum(from_quantiles(latent["OWN_CAR_AGE"], settings.quantiles["OWN_CAR_AGE"]), 0))
    gender = np.where(rng.random(n) < 1e-5, 2, male.astype(np.int64))
    family = _ordered_label(rng, clients, "NAME_FAMILY_STATUS", 0.35)
    partner = np.isin(np.array(family.names)[family.codes], ("Married", "Civil marriage"))
    children = from_shares(latent["CNT_CHILDREN"], settings.values["CNT_CHILDREN"][1])
    return {
        "CODE_GENDER": Labels(gender, ("F", "M", "XNA")),
        "FLAG_OWN_CAR": Labels(has_car.astype(np.int64), ("N", "Y")),
        "FLAG_OWN_REALTY": Labels((rng.random(n) < 0.6937).astype(np.int64), ("N", "Y")),
        "OWN_CAR_AGE": masked(car_age, ~has_car),
        "DAYS_BIRTH": birth.astype(np.int64),
        "DAYS_REGISTRATION": _days_since(clients, "DAYS_REGISTRATION", birth),
        "DAYS_ID_PUBLISH": np.minimum(_days_since(clients, "DAYS_ID_PUBLISH", birth), 0).astype(np.int64),
        "CNT_CHILDREN": children,
        "CNT_FAM_MEMBERS": masked(1 + children + partner, rng.random(n) < settings.missing["CNT_FAM_MEMBERS"]),
        "NAME_FAMILY_STATUS": family,
        "NAME_EDUCATION_TYPE": _ordered_label(rng, clients, "NAME_EDUCATION_TYPE", 0.9),
        "NAME_HOUSING_TYPE": _ordered_label(rng, clients, "NAME_HOUSING_TYPE", 0.4),
    }


def _days_since(clients: Clients, name: str, birth: Floats) -> Floats:
    days = np.round(from_quantiles(clients.latent[name], parameters().application.quantiles[name]))
    return np.minimum(np.maximum(days, birth + 1), 0) + 0.0


def _ordered_label(rng: np.random.Generator, clients: Clients, name: str, loading: float) -> Labels:
    """Draw a label whose default log-odds follow a latent factor: the better the factor, the safer the label."""
    category = parameters().application.categories[name]
    order = np.argsort(-category.log_odds, kind="stable")
    z = loading * clients.latent[_ORDERED_BY[name]] + np.sqrt(1 - loading**2) * rng.standard_normal(clients.size)
    return Labels(order[from_shares(z, category.shares[order])].astype(np.int64), category.labels)


def work_columns(rng: np.random.Generator, clients: Clients, person: Table) -> dict[str, Column]:
    """Employment: pensioners and the unemployed carry the sentinel, no organisation, occupation or work phone."""
    settings, latent, n = parameters().application, clients.latent, clients.size
    birth = numbers(person, "DAYS_BIRTH")
    male = latent["male"]
    retired = (-0.94 * latent["DAYS_BIRTH"] - 0.116 * male + 0.19 * rng.standard_normal(n)) > upper_tail(0.1801)
    employed = np.round(from_quantiles(latent["DAYS_EMPLOYED"], settings.quantiles["DAYS_EMPLOYED"]))
    employed = np.minimum(np.maximum(employed, birth + 16 * 365), -1)
    income = settings.categories["NAME_INCOME_TYPE"]
    organization = settings.categories["ORGANIZATION_TYPE"]
    occupation = settings.categories["OCCUPATION_TYPE"]
    income_code = np.where(retired, len(income.labels), pick(rng, income.shares, n))
    income_code = np.where(retired & (rng.random(n) < 0.0004), len(income.labels) + 1, income_code)
    hidden = retired | (rng.random(n) < (settings.missing["OCCUPATION_TYPE"] - 0.1801) / (1 - 0.1801))
    odds = np.array([_MALE_ODDS.get(label, 1.0) for label in occupation.labels])
    is_male = (male > upper_tail(0.3415))[:, None]
    jobs = pick_rows(rng, occupation.shares * np.where(is_male, odds, 1.0))
    organization_code = np.where(retired, len(organization.labels), pick(rng, organization.shares, n))
    return {
        "DAYS_EMPLOYED": np.where(retired, DAYS_SENTINEL, employed).astype(np.int64),
        "NAME_INCOME_TYPE": Labels(income_code, (*income.labels, "Pensioner", "Unemployed")),
        "OCCUPATION_TYPE": Labels(np.where(hidden, -1, jobs), occupation.labels),
        "ORGANIZATION_TYPE": Labels(organization_code, (*organization.labels, "XNA")),
        "FLAG_EMP_PHONE": (~retired).astype(np.int64),
        "FLAG_WORK_PHONE": (~retired & (rng.random(n) < settings.rates["FLAG_WORK_PHONE"] / 0.82)).astype(np.int64),
    }
