"""Phones, addresses, region and social circle of the applicant."""

import numpy as np

from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Column, Labels, masked
from feature_repo.datagen.draws import from_quantiles, from_shares, pick, upper_tail
from feature_repo.datagen.parameters import parameters


def contact_columns(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
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
