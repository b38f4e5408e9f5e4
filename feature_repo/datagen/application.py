"""The application form: person, work, money, external scores, enquiries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from credit.clock import WEEKDAYS
from credit.schemas.raw import DAYS_SENTINEL
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.draws import (
    Bools,
    Floats,
    Ints,
    Labels,
    from_quantiles,
    from_shares,
    masked,
    pick,
    pick_rows,
    to_units,
    upper_tail,
)
from feature_repo.datagen.housing import housing_columns
from feature_repo.datagen.parameters import parameters

Column: TypeAlias = "Floats | Ints | Labels"

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


@dataclass(frozen=True, slots=True)
class Applications:
    """Application columns by name, each of shape (n,), and the flag of clients without any bureau record."""

    columns: Mapping[str, Column]
    no_bureau: Bools

    def floats(self, name: str) -> Floats:
        """A numeric column as floats, NaN where missing."""
        column = self.columns[name]
        assert not isinstance(column, Labels)
        return column.astype(np.float64)

    def labels(self, name: str) -> Labels:
        """A text column."""
        column = self.columns[name]
        assert isinstance(column, Labels)
        return column


def draw_applications(rng: np.random.Generator, clients: Clients) -> Applications:
    """Every application column of the chunk's clients but TARGET."""
    no_bureau = clients.latent["activity"] * -0.35 + np.sqrt(1 - 0.35**2) * rng.standard_normal(clients.size)
    unknown = no_bureau > upper_tail(1 - 305_811 / 356_255)
    columns: dict[str, Column] = {"SK_ID_CURR": clients.ids, "HOUR_APPR_PROCESS_START": clients.hour}
    columns["WEEKDAY_APPR_PROCESS_START"] = Labels(clients.weekday, WEEKDAYS)
    person = _person(rng, clients)
    columns |= person | _work(rng, clients, person) | _money(rng, clients) | _scores(rng, clients, unknown)
    columns |= _contacts(rng, clients) | _documents(rng, clients, columns) | housing_columns(rng, clients)
    return Applications(columns, unknown)


def _person(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
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


def _work(rng: np.random.Generator, clients: Clients, person: Mapping[str, Column]) -> dict[str, Column]:
    """Employment: pensioners and the unemployed carry the sentinel, no organisation, occupation or work phone."""
    settings, latent, n = parameters().application, clients.latent, clients.size
    birth = person["DAYS_BIRTH"]
    male = latent["male"]
    assert not isinstance(birth, Labels)
    retired = (-0.97 * latent["DAYS_BIRTH"] - 0.12 * male + 0.2 * rng.standard_normal(n)) > upper_tail(0.1801)
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


def _money(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
    """Amounts: goods price, credit on top of it, annuity; a revolving loan pays 1/20 of its limit."""
    settings, latent, n = parameters().application, clients.latent, clients.size
    income = from_quantiles(latent["AMT_INCOME_TOTAL"], settings.quantiles["AMT_INCOME_TOTAL"])
    income = np.where(rng.random(n) < 2e-5, income * 60, income)
    income = np.where(rng.random(n) < 0.9, to_units(income, 4_500), to_units(income))
    revolving = rng.random(n) < np.where(clients.test, 0.01, 0.1)
    goods_price = from_quantiles(latent["AMT_GOODS_PRICE"], settings.quantiles["AMT_GOODS_PRICE"])
    goods = np.maximum(to_units(goods_price, 4_500) * np.where(clients.test, 0.93, 1.0), 40_500)
    goods = np.where(clients.test, to_units(goods, 4_500), goods)
    goods = np.where(revolving, to_units(goods * 0.55 + 45_000, 45_000), goods)
    z = 0.25 * latent["appetite"] - 0.2 * latent["EXT_SOURCE_2"] + np.sqrt(0.9) * rng.standard_normal(n)
    markup = np.maximum(from_quantiles(z, settings.quantiles["CREDIT_TO_GOODS"]), 1.0)
    credit = np.where(revolving, goods, to_units(goods * np.minimum(markup, 2.0)))
    annuity = from_quantiles(latent["AMT_ANNUITY"], settings.quantiles["AMT_ANNUITY"])
    annuity = np.clip(annuity, credit / rng.uniform(34, 45, n), credit / rng.uniform(8.2, 10.5, n))
    annuity = to_units(np.where(revolving, credit / 20, annuity))
    return {
        "NAME_CONTRACT_TYPE": Labels(revolving.astype(np.int64), ("Cash loans", "Revolving loans")),
        "AMT_INCOME_TOTAL": np.maximum(income, 25_650.0),
        "AMT_CREDIT": credit,
        "AMT_ANNUITY": masked(annuity, rng.random(n) < settings.missing["AMT_ANNUITY"]),
        "AMT_GOODS_PRICE": masked(goods, rng.random(n) < settings.missing["AMT_GOODS_PRICE"]),
    }


def _scores(rng: np.random.Generator, clients: Clients, no_bureau: Bools) -> dict[str, Column]:
    """External scores and bureau enquiries: no enquiries (mostly: no bureau record) means no EXT_SOURCE_3 either."""
    settings, latent, n = parameters().application, clients.latent, clients.size
    no_request = rng.random(n) < np.where(no_bureau, 0.75, 0.0324)
    old = -latent["DAYS_BIRTH"] > upper_tail(0.18)
    absent = {
        "EXT_SOURCE_1": rng.random(n) < np.where(old, 0.73, 0.5272),
        "EXT_SOURCE_2": rng.random(n) < settings.missing["EXT_SOURCE_2"],
        "EXT_SOURCE_3": no_request | (rng.random(n) < 0.0732),
    }
    columns: dict[str, Column] = {}
    for name, missing in absent.items():
        score = from_quantiles(latent[name], settings.quantiles[name])
        columns[name] = masked(np.maximum(score, 8e-8), missing)
    for period in ("HOUR", "DAY", "WEEK", "MON", "QRT"):
        name = f"AMT_REQ_CREDIT_BUREAU_{period}"
        values, shares = settings.values[name]
        columns[name] = masked(values[pick(rng, shares, n)], no_request)
    name = "AMT_REQ_CREDIT_BUREAU_YEAR"
    year = np.round(np.maximum(from_quantiles(latent[name], settings.quantiles[name]), 0))
    columns[name] = masked(year, no_request)
    return columns


def _contacts(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
    """Phones, addresses, region, social circle."""
    settings, latent, n = parameters().application, clients.latent, clients.size
    columns: dict[str, Column] = {"FLAG_MOBIL": (rng.random(n) > 3e-6).astype(np.int64)}
    for name in ("FLAG_CONT_MOBILE", "FLAG_PHONE", "FLAG_EMAIL"):
        columns[name] = (rng.random(n) < settings.rates[name]).astype(np.int64)
    name = "DAYS_LAST_PHONE_CHANGE"
    phone = np.minimum(np.round(from_quantiles(latent[name], settings.quantiles[name])), 0) + 0.0
    columns[name] = masked(phone, rng.random(n) < settings.missing[name])
    circle = rng.random(n) < settings.missing["OBS_30_CNT_SOCIAL_CIRCLE"]
    observed = from_quantiles(latent["OBS_30_CNT_SOCIAL_CIRCLE"], settings.quantiles["OBS_30_CNT_SOCIAL_CIRCLE"])
    observed = np.round(np.maximum(observed, 0))
    defaulted = from_shares(latent["DEF_30_CNT_SOCIAL_CIRCLE"], settings.values["DEF_30_CNT_SOCIAL_CIRCLE"][1])
    observed = np.maximum(observed, defaulted)
    columns["OBS_30_CNT_SOCIAL_CIRCLE"] = masked(observed, circle)
    columns["OBS_60_CNT_SOCIAL_CIRCLE"] = masked(
        np.maximum(observed - (rng.random(n) < 0.01) * (observed > defaulted), 0), circle
    )
    columns["DEF_30_CNT_SOCIAL_CIRCLE"] = masked(defaulted, circle)
    columns["DEF_60_CNT_SOCIAL_CIRCLE"] = masked(rng.binomial(defaulted, 0.7).astype(np.int64), circle)
    category = settings.categories["NAME_TYPE_SUITE"]
    absent = rng.random(n) < settings.missing["NAME_TYPE_SUITE"]
    columns["NAME_TYPE_SUITE"] = Labels(np.where(absent, -1, pick(rng, category.shares, n)), category.labels)
    return columns | _region(rng, clients)


def _region(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
    settings, latent, n = parameters().application, clients.latent, clients.size
    levels = from_quantiles(np.linspace(-2.6, 2.3, 81), settings.quantiles["REGION_POPULATION_RELATIVE"])
    levels = np.round(levels + np.arange(81) * 1e-6, 6)
    population = levels[np.clip(np.round((latent["REGION_POPULATION_RELATIVE"] + 2.6) / 4.9 * 80), 0, 80).astype(int)]
    rating = 1 + from_shares(latent["REGION_RATING_CLIENT_W_CITY"], np.array([0.1068, 0.7543, 0.1389]))
    moved = rng.random(n)
    region = np.clip(rating + (moved < 0.018) - (moved > 0.995), 1, 3)
    young = 0.25 * latent["DAYS_BIRTH"] + 0.25 * latent["newness"] + 0.9 * rng.standard_normal(n)
    other_work = young > upper_tail(settings.rates["REG_CITY_NOT_WORK_CITY"])
    other_home = rng.random(n) < np.where(other_work, 0.24, 0.0244)
    far_work = rng.random(n) < settings.rates["REG_REGION_NOT_WORK_REGION"]
    far_home = rng.random(n) < np.where(far_work, 0.15, 0.0077)
    return {
        "REGION_POPULATION_RELATIVE": population,
        "REGION_RATING_CLIENT": region.astype(np.int64),
        "REGION_RATING_CLIENT_W_CITY": rating,
        "REG_REGION_NOT_LIVE_REGION": far_home.astype(np.int64),
        "REG_REGION_NOT_WORK_REGION": far_work.astype(np.int64),
        "LIVE_REGION_NOT_WORK_REGION": (far_work & (rng.random(n) < 0.8)).astype(np.int64),
        "REG_CITY_NOT_LIVE_CITY": other_home.astype(np.int64),
        "REG_CITY_NOT_WORK_CITY": other_work.astype(np.int64),
        "LIVE_CITY_NOT_WORK_CITY": (other_work & (rng.random(n) < 0.785)).astype(np.int64),
    }


def _documents(rng: np.random.Generator, clients: Clients, columns: Mapping[str, Column]) -> dict[str, Column]:
    """Document flags: about one per cash loan (mostly document 3), none for a revolving one."""
    settings, n = parameters().application, clients.size
    contract = columns["NAME_CONTRACT_TYPE"]
    assert isinstance(contract, Labels)
    cash = contract.codes == 0
    flags: dict[str, Column] = {}
    main = pick(rng, np.array([0.793, 0.097, 0.087, 0.017, 0.006]), n)
    for name, rate in settings.rates.items():
        if not name.startswith("FLAG_DOCUMENT_"):
            continue
        number = int(name.rsplit("_", 1)[1])
        kind = {3: 0, 6: 1, 8: 2, 5: 3}.get(number)
        flag = cash & (main == kind) if kind is not None else rng.random(n) < rate
        flags[name] = flag.astype(np.int64)
    return flags
