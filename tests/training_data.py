"""Labelled applications made in memory: random features of the small test contract, labels with a known pattern."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from bundles import random_views, small_contract

from credit.features import application_ratios
from training.dataset import Dataset


def synthetic_dataset(clients: int = 2_000, *, seed: int = 0) -> Dataset:
    """Two external scores and a debt drive default (about 20 %); T0 is spread over two years."""
    contract = small_contract()
    views = random_views(contract, clients, seed=seed)
    columns = {}
    for view in contract.views:
        batch = views[view.name]
        for at, name in enumerate(view.numeric):
            columns[name] = pa.array(batch.numeric[:, at], from_pandas=True)
        for at, name in enumerate(view.strings):
            columns[name] = pa.array([row[at] for row in batch.strings])
    inputs = dict(zip(contract.views[0].numeric, views["application"].numeric.T, strict=True))
    columns |= {name: pa.array(values, from_pandas=True) for name, values in application_ratios(inputs).items()}
    features = pa.table(columns)
    rng = np.random.default_rng([seed, 1])
    drivers = [
        np.nan_to_num(views["application"].numeric[:, contract.views[0].numeric.index(name)])
        for name in ("ext_source_2", "ext_source_3")
    ]
    debt = np.nan_to_num(views["bureau"].numeric[:, 1])
    risk = -1.9 - 1.2 * drivers[0] * (drivers[1] < 0.5) - 0.7 * drivers[1] + 0.6 * debt
    labels = (rng.random(clients) < 1 / (1 + np.exp(-risk))).astype(np.int64)
    start = np.datetime64("2022-01-03T00:00:00", "us")
    applied = start + rng.integers(0, 730 * 86_400, clients).astype("timedelta64[s]")
    ids = np.arange(100_001, 100_001 + clients)
    declared = contract.model_copy(update={"categories": {}})
    known_until = datetime(2025, 1, 1, tzinfo=UTC)
    return Dataset(ids, applied.astype("datetime64[us]"), labels, ids.copy(), features, declared, known_until)


def random_demographics(spine: pa.Table) -> pa.Table:
    """Protected attributes that have nothing to do with default, in spine order."""
    rng = np.random.default_rng(5)
    clients = spine.num_rows
    return pa.table(
        {
            "SK_ID_CURR": spine["SK_ID_CURR"],
            "code_gender": rng.choice(["F", "M"], clients),
            "days_birth": pa.array(rng.integers(-25_000, -7_500, clients), pa.int32()),
            "name_family_status": rng.choice(["Married", "Widow"], clients),
        }
    )
