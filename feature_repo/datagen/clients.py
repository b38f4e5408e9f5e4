"""Clients of one chunk: ids, application times and correlated latent factors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from credit.clock import WEEKDAYS, Calendar, application_times
from feature_repo.datagen.columns import Bools, Floats, Ints
from feature_repo.datagen.draws import from_quantiles, pick
from feature_repo.datagen.parameters import CLIENTS_TEST, CLIENTS_TOTAL, parameters

FIRST_CLIENT_ID = 100_001
#: Clients per chunk: part of the format of a seed, because each chunk has its own random streams.
CHUNK_CLIENTS = 1_000
#: The present of generated worlds: every label has matured by then.
AS_OF_NOW = datetime(2025, 7, 1, tzinfo=UTC)
HISTORY_DAYS, HISTORY_MONTHS = 2_922, 96

#: Latent factors beyond the application columns, as loadings on those columns' latents; the rest is their own.
FACTORS: Mapping[str, Mapping[str, float]] = {
    "male": {"AMT_INCOME_TOTAL": 0.25, "DAYS_BIRTH": 0.18, "EXT_SOURCE_1": -0.2},
    "education": {"EXT_SOURCE_1": 0.2, "AMT_INCOME_TOTAL": 0.3, "EXT_SOURCE_2": 0.12, "DAYS_BIRTH": 0.15},
    "settled": {"DAYS_BIRTH": -0.35, "DAYS_REGISTRATION": -0.1},
    "discipline": {"EXT_SOURCE_2": 0.15, "EXT_SOURCE_3": 0.18, "EXT_SOURCE_1": 0.08, "DAYS_BIRTH": -0.08},
    "appetite": {"EXT_SOURCE_3": -0.22, "AMT_REQ_CREDIT_BUREAU_YEAR": 0.2, "AMT_INCOME_TOTAL": 0.08},
    "acceptance": {"EXT_SOURCE_2": 0.2, "EXT_SOURCE_3": 0.1, "EXT_SOURCE_1": 0.06},
    "activity": {"AMT_REQ_CREDIT_BUREAU_YEAR": 0.25, "AMT_INCOME_TOTAL": 0.1, "DAYS_LAST_PHONE_CHANGE": -0.15},
    "newness": {"DAYS_LAST_PHONE_CHANGE": 0.22, "DAYS_BIRTH": 0.18, "EXT_SOURCE_3": -0.15},
    "cash_need": {"EXT_SOURCE_2": -0.1, "EXT_SOURCE_3": -0.12, "DAYS_BIRTH": 0.1},
    "earliness": {"DAYS_BIRTH": -0.15, "EXT_SOURCE_2": 0.05},
}


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of a chunk; every array has shape (n,).

    `day_zero` and `month_zero` are T0's calendar day and month counted from 1970; `horizon` is the number of whole
    days and `months_ahead` the index of the last complete month between T0 and the world's present.
    """

    ids: Ints
    test: Bools
    weekday: Ints
    hour: Ints
    t0: np.ndarray[tuple[int], np.dtype[np.datetime64]]
    day_zero: Ints
    month_zero: Ints
    horizon: Ints
    months_ahead: Ints
    latent: Mapping[str, Floats]

    @property
    def size(self) -> int:
        """Number of clients."""
        return int(self.ids.size)

    def months_from_t0(self, owner: Ints, day: Floats | Ints) -> Ints:
        """Calendar months between T0's month and the month of T0 + `day` of each row."""
        date = (self.day_zero[owner] + np.asarray(day).astype(np.int64)).astype("datetime64[D]")
        return date.astype("datetime64[M]").astype(np.int64) - self.month_zero[owner]


def draw_clients(rng: np.random.Generator, first: int, count: int) -> Clients:
    """Clients number `first` to `first + count - 1` of a portfolio with the real train : test share."""
    settings = parameters().application
    latent = draw_latents(rng, count)
    ids = FIRST_CLIENT_ID + first + np.arange(count, dtype=np.int64)
    test = np.zeros(count, dtype=np.bool_)
    test[rng.permutation(count)[: clients_in_test(first + count) - clients_in_test(first)]] = True
    weekday_spec = settings.categories["WEEKDAY_APPR_PROCESS_START"]
    numbers = np.array([WEEKDAYS.index(label) for label in weekday_spec.labels])
    weekday = numbers[pick(rng, weekday_spec.shares, count)]
    hour = from_quantiles(latent["HOUR_APPR_PROCESS_START"], settings.quantiles["HOUR_APPR_PROCESS_START"])
    hours = np.clip(np.round(hour), 0, 23).astype(np.int64)
    return _place_in_time(ids, test, weekday, hours, latent)


def draw_latents(rng: np.random.Generator, count: int) -> dict[str, Floats]:
    """Standard normal latents: one per rank-correlated application column, then the `FACTORS`."""
    settings = parameters().application
    lower = np.linalg.cholesky(settings.correlations)
    joint = rng.standard_normal((count, len(settings.rank_columns))) @ lower.T
    latent: dict[str, Floats] = dict(zip(settings.rank_columns, joint.T, strict=True))
    for name, loadings in FACTORS.items():
        weights = np.array([loadings.get(column, 0.0) for column in settings.rank_columns])
        explained = float(weights @ settings.correlations @ weights)
        latent[name] = joint @ weights + np.sqrt(1 - explained) * rng.standard_normal(count)
    return latent


def clients_in_test(clients: int) -> int:
    """How many of the first `clients` clients belong to application_test."""
    return round(clients * CLIENTS_TEST / CLIENTS_TOTAL)


def _place_in_time(ids: Ints, test: Bools, weekday: Ints, hour: Ints, latent: Mapping[str, Floats]) -> Clients:
    t0 = application_times(ids, weekday, hour, Calendar())
    now = np.datetime64(AS_OF_NOW.replace(tzinfo=None), "us")
    month_zero = t0.astype("datetime64[M]").astype(np.int64)
    return Clients(
        ids=ids,
        test=test,
        weekday=weekday,
        hour=hour,
        t0=t0,
        day_zero=t0.astype("datetime64[D]").astype(np.int64),
        month_zero=month_zero,
        horizon=(now - t0).astype("timedelta64[D]").astype(np.int64),
        months_ahead=now.astype("datetime64[M]").astype(np.int64) - 1 - month_zero,
        latent=latent,
    )
