"""Marginal distributions, shares and rank correlations of the portfolio: figures kept in `portfolio.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from feature_repo.datagen.columns import Floats

#: Rows and clients of the delivered tables, full size (public figures of the Home Credit competition).
CLIENTS_TRAIN, CLIENTS_TEST = 307_511, 48_744
CLIENTS_TOTAL = CLIENTS_TRAIN + CLIENTS_TEST
TABLE_ROWS = {
    "application_train": CLIENTS_TRAIN,
    "application_test": CLIENTS_TEST,
    "bureau": 1_716_428,
    "bureau_balance": 27_299_925,
    "previous_application": 1_670_214,
    "installments_payments": 13_605_401,
    "POS_CASH_balance": 10_001_358,
    "credit_card_balance": 3_840_312,
}


@dataclass(frozen=True, slots=True)
class Category:
    """A category's labels with their shares and log-odds of default against the base rate."""

    labels: tuple[str, ...]
    shares: Floats
    log_odds: Floats


@dataclass(frozen=True, slots=True)
class ApplicationParameters:
    """Marginals of the application columns and the rank correlations between the main ones."""

    quantiles: Mapping[str, Floats]
    values: Mapping[str, tuple[Floats, Floats]]
    rates: Mapping[str, float]
    missing: Mapping[str, float]
    categories: Mapping[str, Category]
    rank_columns: tuple[str, ...]
    correlations: Floats


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that `portfolio.json` holds."""

    application: ApplicationParameters
    bureau: Mapping[str, Any]
    previous: Mapping[str, Any]


@cache
def parameters() -> Parameters:
    """The portfolio's figures, read once."""
    raw = json.loads(files("feature_repo.datagen").joinpath("portfolio.json").read_text("utf-8"))
    return Parameters(application=_application(raw["application"]), bureau=raw["bureau"], previous=raw["previous"])


def shares_of(spec: Mapping[str, float]) -> tuple[tuple[str, ...], Floats]:
    """Labels and normalised shares of a {label: share} mapping."""
    shares = np.array(list(spec.values()), dtype=np.float64)
    return tuple(spec), shares / shares.sum()


def _application(raw: Mapping[str, Any]) -> ApplicationParameters:
    return ApplicationParameters(
        quantiles={name: np.array(points) for name, points in raw["quantiles"].items()},
        values={name: _values(spec) for name, spec in raw["values"].items()},
        rates=raw["rates"],
        missing=raw["missing"],
        categories={name: _category(spec) for name, spec in raw["categories"].items()},
        rank_columns=tuple(raw["rank_columns"]),
        correlations=_correlations(raw["rank_correlations"]),
    )


def _values(spec: Mapping[str, float]) -> tuple[Floats, Floats]:
    labels, shares = shares_of(spec)
    return np.array([float(label) for label in labels]), shares


def _category(spec: Mapping[str, tuple[float, float]]) -> Category:
    shares = np.array([share for share, _ in spec.values()])
    log_odds = np.array([effect for _, effect in spec.values()])
    return Category(tuple(spec), shares / shares.sum(), log_odds)


def _correlations(lower: list[list[float]]) -> Floats:
    """Spearman's rho to the Gaussian copula's Pearson r = 2 sin(pi rho / 6), made positive definite."""
    size = len(lower)
    rho = np.eye(size)
    for row, values in enumerate(lower):
        rho[row, : len(values)] = values
        rho[: len(values), row] = values
    pearson = 2 * np.sin(np.pi * rho / 6)
    values_, vectors = np.linalg.eigh(pearson)
    repaired = (vectors * np.maximum(values_, 1e-3)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(repaired))
    correlations: Floats = repaired * scale[:, None] * scale[None, :]
    return correlations
