"""The housing block: 14 building attributes in three variants each, missing together, driven by one quality factor."""

import numpy as np

from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Column, Floats, Labels, masked
from feature_repo.datagen.draws import from_quantiles, from_shares, upper_tail
from feature_repo.datagen.parameters import parameters

ATTRIBUTES = (
    "APARTMENTS",
    "BASEMENTAREA",
    "YEARS_BEGINEXPLUATATION",
    "YEARS_BUILD",
    "COMMONAREA",
    "ELEVATORS",
    "ENTRANCES",
    "FLOORSMAX",
    "FLOORSMIN",
    "LANDAREA",
    "LIVINGAPARTMENTS",
    "LIVINGAREA",
    "NONLIVINGAPARTMENTS",
    "NONLIVINGAREA",
)
#: How strongly an attribute follows the building's quality factor (0.5 elsewhere).
_LOADINGS = {"LIVINGAREA": 0.93, "LIVINGAPARTMENTS": 0.9, "ELEVATORS": 0.8, "FLOORSMAX": 0.7, "NONLIVINGAREA": 0.3}
#: Attributes that count something normalised: their values lie on a grid.
_GRIDS = {"ELEVATORS": 0.04, "ENTRANCES": 0.0345, "FLOORSMAX": 1 / 24, "FLOORSMIN": 1 / 24}
#: Missing values of the block share this correlation of their latent.
_MISSING_CORRELATION = 0.97


def housing_columns(rng: np.random.Generator, clients: Clients) -> dict[str, Column]:
    """The 47 housing columns of application_train, each of shape (n,)."""
    settings = parameters().application
    quality = clients.latent["APARTMENTS_AVG"]
    absent = -0.1 * quality + np.sqrt(0.99) * rng.standard_normal(clients.size)
    columns: dict[str, Column] = {}
    for name in ATTRIBUTES:
        missing = _missing(rng, absent, settings.missing[f"{name}_AVG"])
        loading = 1.0 if name == "APARTMENTS" else _LOADINGS.get(name, 0.5)
        z = loading * quality + np.sqrt(1 - loading**2) * rng.standard_normal(clients.size)
        average = _on_grid(name, from_quantiles(z, settings.quantiles[f"{name}_AVG"]))
        columns[f"{name}_AVG"] = masked(average, missing)
        for variant, same in (("MODE", 0.6), ("MEDI", 0.75)):
            columns[f"{name}_{variant}"] = masked(_variant(rng, name, average, same), missing)
    area = from_quantiles(clients.latent["TOTALAREA_MODE"], settings.quantiles["TOTALAREA_MODE"])
    columns["TOTALAREA_MODE"] = masked(np.round(area, 4), _missing(rng, absent, settings.missing["TOTALAREA_MODE"]))
    return columns | _labels(rng, absent, quality)


def _labels(rng: np.random.Generator, absent: Floats, quality: Floats) -> dict[str, Column]:
    settings = parameters().application
    columns: dict[str, Column] = {}
    for name in ("FONDKAPREMONT_MODE", "HOUSETYPE_MODE", "WALLSMATERIAL_MODE"):
        category = settings.categories[name]
        z = -0.4 * quality + np.sqrt(0.84) * rng.standard_normal(quality.size)
        codes = from_shares(z, category.shares)
        missing = _missing(rng, absent, settings.missing[name])
        columns[name] = Labels(np.where(missing, -1, codes), category.labels)
    emergency = (rng.random(quality.size) < 0.013).astype(np.int64)
    missing = _missing(rng, absent, settings.missing["EMERGENCYSTATE_MODE"])
    columns["EMERGENCYSTATE_MODE"] = Labels(np.where(missing, -1, emergency), ("No", "Yes"))
    return columns


def _missing(rng: np.random.Generator, absent: Floats, rate: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    own = rng.standard_normal(absent.size)
    z = _MISSING_CORRELATION * absent + np.sqrt(1 - _MISSING_CORRELATION**2) * own
    flags: np.ndarray[tuple[int], np.dtype[np.bool_]] = z > upper_tail(rate)
    return flags


def _variant(rng: np.random.Generator, name: str, average: Floats, same: float) -> Floats:
    jitter = np.clip(average * rng.normal(1, 0.04, average.size), 0, 1)
    return np.where(rng.random(average.size) < same, average, _on_grid(name, jitter))


def _on_grid(name: str, values: Floats) -> Floats:
    grid = _GRIDS.get(name)
    on_grid = values if grid is None else np.round(values / grid) * grid
    return np.round(np.clip(on_grid, 0, 1), 4)
