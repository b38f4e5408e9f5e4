"""Amounts of the application, external scores and bureau enquiries."""

import numpy as np

from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Bools, Column, Labels, masked
from feature_repo.datagen.draws import from_quantiles, pick, to_units, upper_tail
from feature_repo.datagen.parameters import parameters


def money_columns(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
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


def score_columns(rng: np.random.Generator, clients: Clients, no_bureau: Bools) -> dict[str, Column]:
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
