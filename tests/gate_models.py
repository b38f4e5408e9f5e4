"""Challengers and champions for gates and promotion: real signed models of the synthetic applications."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
from bundles import bundle_parts, make_bundle
from training_data import synthetic_dataset

from credit.bundle.bundle import Bundle
from credit.bundle.encoding import MatrixEncoder
from credit.bundle.keys import load_private_key, make_key_pair
from credit.bundle.reader import load_bundle
from credit.bundle.writer import write_bundle
from credit.calibration import Calibration
from credit.cost import CostMatrix
from credit.policy import DecisionPolicy
from credit.schemas.features import FeatureContract
from training.calibrate import fit_platt
from training.dataset import draft_contract, moment
from training.gates import GateSettings
from training.registry import Extras
from training.unseen import Unseen

#: The test of a small portfolio; the defaults are meant for a large one.
SMALL = GateSettings(least_clients=200, least_defaults=20, small_group=100, replicates=200, latency_ms=1_000)
#: A default costs four lost good clients: a cut in the middle of applicants of whom every fifth defaults.
POLICY = DecisionPolicy(threshold=0.2, costs=CostMatrix(false_negative=4, false_positive=1))
GROUPS = {"gender": ("F", "M"), "age_band": ("25 to 34", "35 to 44"), "family_status": ("Married", "Widow")}


@dataclass
class GateModels:
    """Trains on the older applications; the newest 30 % are the out-of-time test."""

    folder: Path
    clients: int = 2_000

    def __post_init__(self) -> None:
        self.dataset = synthetic_dataset(self.clients)
        applied = self.dataset.applied_at
        self.first_test = np.sort(applied)[int(0.7 * self.clients)]
        self.test = np.flatnonzero(applied >= self.first_test)
        older = np.flatnonzero(applied < self.first_test)
        self.train, self.calibration = older[: older.size * 2 // 3], older[older.size * 2 // 3 :]
        self.keys = make_key_pair(self.folder / "keys")
        self.private_key = load_private_key(self.keys.private)
        self.public_key = self.private_key.public_key()

    @cached_property
    def contract(self) -> FeatureContract:
        return draft_contract(self.dataset, self.train)

    @cached_property
    def unseen(self) -> Unseen:
        """Groups of equal risk and equal labels: every second client of each label, by rising risk."""
        everybody = {name: [""] * self.test.size for name in GROUPS}
        unseen = self._unseen(everybody)
        risk = unseen.predict(self.model()).probability
        rank = np.argsort(np.lexsort((risk, unseen.labels)))
        drawn = {name: [two[at] for at in (rank >> bit) & 1] for bit, (name, two) in enumerate(GROUPS.items())}
        return self._unseen(drawn)

    def _unseen(self, groups: Mapping[str, list[str]]) -> Unseen:
        return Unseen(
            client_ids=self.dataset.client_ids[self.test],
            applied_at=self.dataset.applied_at[self.test],
            labels=self.dataset.labels[self.test],
            features=self.dataset.features.take(pa.array(self.test)),
            groups=groups,
        )

    def model(self, name: str = "good", *, trees: int = 60, shuffled: bool = False, **changes: Any) -> Bundle:
        """A verified bundle; its directory is `self.path(name)`.

        Args:
            name: of the directory.
            trees: how many.
            shuffled: learn from labels in another order, that is, nothing.
            changes: `calibration` replaces the fitted one, `test_from` is put into the provenance, others replace
                parts of the bundle.
        """
        target = self.path(name)
        if not target.exists():
            self._write(target, trees, shuffled, changes)
        return load_bundle(target, self.public_key)

    def path(self, name: str) -> Path:
        return self.folder / name

    def _write(self, target: Path, trees: int, shuffled: bool, changes: Mapping[str, Any]) -> None:
        matrix = MatrixEncoder(self.contract).from_columns(self.dataset.columns())
        labels = self.dataset.labels.copy()
        if shuffled:
            labels = np.random.default_rng(3).permutation(labels)
        booster = _fit(self.contract, matrix[self.train], labels[self.train], trees)
        margins = np.asarray(booster.predict(matrix[self.calibration], raw_score=True))
        parts = replace(
            bundle_parts(self.contract, trees=1),
            model_text=booster.model_to_string(),
            policy=POLICY,
            calibration=_calibration(labels[self.calibration], margins),
        )
        parts = replace(parts, **{key: value for key, value in changes.items() if key != "test_from"})
        origin = self._provenance(changes.get("test_from", moment(self.first_test)))
        write_bundle(target, parts, origin, self.private_key, name="credit-scoring")

    def _provenance(self, test_from: datetime) -> Any:
        template = self.folder / "template"
        if not template.exists():
            make_bundle(template, self.folder / "keys", trees=1)
        return load_bundle(template, self.public_key).manifest.provenance.model_copy(update={"test_from": test_from})


def extras(folder: Path) -> Extras:
    """What goes to MLflow with a bundle, short."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "roc.svg").write_text("<svg/>")
    return Extras(
        parameters={"trees": "60"},
        description="a card",
        input_example={"ext_source_1": 0.5},
        plots=folder,
        files={"model_card.md": "# Card", "model_card.html": "<h1>Card</h1>", "reports/figures.json": b"{}"},
    )


def _fit(contract: FeatureContract, matrix: np.ndarray, labels: np.ndarray, trees: int) -> lgb.Booster:
    categorical = [at for at, feature in enumerate(contract.features) if feature.kind == "categorical"]
    data = lgb.Dataset(matrix, labels, feature_name=list(contract.names), categorical_feature=categorical)
    parameters = {"objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "num_threads": 1, "verbose": -1}
    return lgb.train({**parameters, "deterministic": True, "force_row_wise": True, "seed": 0}, data, trees)


def _calibration(labels: np.ndarray, margins: np.ndarray) -> Calibration:
    order = np.corrcoef(labels, margins)[0, 1]
    return fit_platt(labels, margins) if order > 0.05 else Calibration.platt(slope=0.2, intercept=-1.2)
