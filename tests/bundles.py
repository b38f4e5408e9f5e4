"""Real signed bundles for tests: a small LightGBM model trained on random data that matches a contract."""

import io
from datetime import UTC, datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from credit.bundle.bundle import BundleParts
from credit.bundle.encoding import MatrixEncoder
from credit.bundle.keys import load_private_key, make_key_pair
from credit.bundle.manifest import Provenance
from credit.bundle.writer import write_bundle
from credit.calibration import Calibration
from credit.cost import CostMatrix
from credit.features import RATIO_INPUTS
from credit.policy import DecisionPolicy
from credit.reason_codes import ReasonText, ReasonTexts
from credit.schemas.features import (
    ContractFeature,
    FeatureContract,
    MissingPolicy,
    ViewBatch,
    ViewColumn,
    ViewSpec,
    ViewStatus,
)
from credit.schemas.overrides import OVERRIDABLE

AS_OF_US = 1_700_000_000_000_000


def small_contract(bureau_policy: MissingPolicy = "refer") -> FeatureContract:
    """Two views, some request-time features, one category: a contract of every kind of feature."""
    application = ViewSpec(
        name="application",
        columns=(
            *(ViewColumn(name=name, type="float32") for name in RATIO_INPUTS),
            ViewColumn(name="name_education_type", type="string"),
            ViewColumn(name="flag_own_realty", type="int32"),
        ),
        ttl_seconds=172_800,
        missing_policy="refuse",
    )
    bureau = ViewSpec(
        name="bureau",
        columns=(
            ViewColumn(name="bureau_credit_count", type="int32"),
            ViewColumn(name="bureau_debt_sum", type="float32"),
        ),
        ttl_seconds=172_800,
        missing_policy=bureau_policy,
    )
    requested = ("requested_amt_credit", "requested_amt_income_total", "credit_to_annuity", "ext_source_mean")
    return contract_of("credit_scoring_v1", (application, bureau), requested)


def contract_of(
    service: str, views: tuple[ViewSpec, ...], ratios: tuple[str, ...] = (), categories: int = 4
) -> FeatureContract:
    """A contract over every column of `views` plus `ratios`; every string column gets the categories cat_0, cat_1...

    Amounts that a request may override are no features, as in the decision's service.
    """
    strings = {name for view in views for name in view.strings}
    features = [
        ContractFeature(name=column.name, view=view.name, kind="categorical" if column.name in strings else "numeric")
        for view in views
        for column in view.columns
        if column.name not in OVERRIDABLE
    ]
    features += [ContractFeature(name=name, view=None, kind="numeric") for name in ratios]
    return FeatureContract(
        service=service,
        features=tuple(features),
        views=views,
        categories={name: tuple(f"cat_{at}" for at in range(categories)) for name in sorted(strings)},
    )


def make_bundle(
    target: Path, keys: Path, contract: FeatureContract | None = None, *, seed: int = 0, trees: int = 20
) -> Path:
    """Write a signed bundle to `target`, with a key pair in the folder `keys`; other seeds give other models."""
    contract = contract or small_contract()
    parts = bundle_parts(contract, seed=seed, trees=trees)
    private_key = load_private_key(make_key_pair(keys).private)
    return write_bundle(target, parts, _provenance(seed), private_key, name="credit-scoring")


def bundle_parts(contract: FeatureContract, *, seed: int = 0, trees: int = 20) -> BundleParts:
    """A model that learned from random rows, calibrated by a fixed map, with one text per feature."""
    views = random_views(contract, 1_000, seed=seed)
    matrix = MatrixEncoder(contract).from_views(views)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=matrix.shape[1])
    categorical = [at for at, feature in enumerate(contract.features) if feature.kind == "categorical"]
    risk = np.nan_to_num(matrix) @ weights + 3.0 * (matrix[:, categorical] % 2 == 1).sum(axis=1)
    labels = (risk + rng.normal(size=matrix.shape[0]) > 1.0).astype(float)
    data = lgb.Dataset(matrix, labels, feature_name=list(contract.names), categorical_feature=categorical)
    parameters = {
        "objective": "binary",
        "num_leaves": 8,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
        "min_data_per_group": 5,
    }
    booster = lgb.train(parameters, data, num_boost_round=trees)
    texts = {name: ReasonText(en=f"{name} weighs", fr=f"{name} pèse") for name in contract.names}
    return BundleParts(
        model_text=booster.model_to_string(),
        contract=contract,
        calibration=Calibration.platt(slope=0.9, intercept=-0.1),
        policy=DecisionPolicy(threshold=CostMatrix().bayes_threshold, costs=CostMatrix()),
        reason_texts=ReasonTexts(version=1, protected=("code_gender",), features=texts),
        reference=_reference(matrix[:50], contract),
        metrics={"auc": 0.7},
        importance=dict.fromkeys(contract.names, 0.1),
    )


def random_views(
    contract: FeatureContract, clients: int, *, seed: int = 0, missing: float = 0.1
) -> dict[str, ViewBatch]:
    """A batch of PRESENT rows for every view, float32 values, some null, some categories never seen in training."""
    rng = np.random.default_rng([seed, 7])
    return {view.name: _random_batch(view, contract, clients, rng, missing) for view in contract.views}


def _random_batch(
    view: ViewSpec, contract: FeatureContract, clients: int, rng: np.random.Generator, missing: float
) -> ViewBatch:
    numeric = rng.normal(size=(clients, len(view.numeric))).astype(np.float32).astype(np.float64)
    numeric[rng.random(numeric.shape) < missing] = np.nan
    choices = [(*contract.categories.get(name, ("cat_0",)), "never seen", None) for name in view.strings]
    picks = [rng.integers(0, len(options), clients) for options in choices]
    rows = zip(
        *([options[pick] for pick in column] for options, column in zip(choices, picks, strict=True)), strict=True
    )
    return ViewBatch(
        spec=view,
        status=(ViewStatus.PRESENT,) * clients,
        as_of_us=np.full(clients, AS_OF_US, dtype=np.int64),
        built_us=np.full(clients, AS_OF_US, dtype=np.int64),
        numeric=numeric,
        strings=tuple(rows) if view.strings else ((),) * clients,
    )


def _reference(matrix: np.ndarray, contract: FeatureContract) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({name: matrix[:, at] for at, name in enumerate(contract.names)}), sink)
    return sink.getvalue()


def _provenance(seed: int) -> Provenance:
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    return Provenance(
        created=moment,
        data_from=moment,
        data_until=moment,
        known_until=moment,
        test_from=moment,
        sample=None,
        settings={},
        rows={"train": 1_000},
        dataset_sha256="0" * 64,
        git_revision="unknown",
        libraries={"lightgbm": lgb.__version__},
        seed=seed,
    )
