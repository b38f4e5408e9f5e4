"""A verified model: scores, explains and decides, with everything it was trained with."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from credit.bundle.encoding import ColumnValues, Matrix, MatrixEncoder
from credit.bundle.manifest import Manifest
from credit.bundle.ranking import strongest_pushes
from credit.bundle.tree_shap.kernel import TreeShap, fits
from credit.bundle.tree_shap.trees import Tree, split_thresholds, trees
from credit.calibration import Calibration
from credit.errors import BundleError
from credit.policy import DecisionPolicy
from credit.reason_codes import LANGUAGES, Language, ReasonTexts
from credit.schemas.decision import Decision, Reason
from credit.schemas.features import FeatureContract, ViewBatch
from credit.schemas.overrides import Overrides

MAX_REASONS = 4


@dataclass(frozen=True, slots=True)
class Prediction:
    """Raw log-odds and calibrated probability of default, each of shape (n,)."""

    margin: NDArray[np.float64]
    probability: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BundleParts:
    """The content of a bundle, parsed. `reference` is Parquet bytes: a sample of raw feature values for drift."""

    model_text: str
    contract: FeatureContract
    calibration: Calibration
    policy: DecisionPolicy
    reason_texts: ReasonTexts
    reference: bytes
    metrics: dict[str, float]
    importance: dict[str, float]


class Bundle:
    """One model version in memory; made by `load_bundle`, which verifies first.

    Attributes:
        bundle_id: sha256 of the manifest in hexadecimal.
        manifest: where the model comes from.
        contract: what it eats.
        policy: threshold, costs and risk bands.
        split_thresholds: by feature, the numbers at which the trees split it, rising.
    """

    def __init__(self, bundle_id: str, manifest: Manifest, parts: BundleParts) -> None:
        self.bundle_id = bundle_id
        self.manifest = manifest
        self.contract = parts.contract
        self.calibration = parts.calibration
        self.policy = parts.policy
        self.reason_texts = parts.reason_texts
        self.metrics = parts.metrics
        self.importance = parts.importance
        self._reference = parts.reference
        self._encoder = MatrixEncoder(parts.contract)
        self._booster = _booster(parts.model_text)
        parsed = tuple(trees(parts.model_text))
        self.split_thresholds = split_thresholds(parsed, len(parts.contract.names))
        self._shap = _tree_shap(parsed, len(parts.contract.names))
        self._text_groups = {language: self._groups(language) for language in LANGUAGES}

    @property
    def trees(self) -> int:
        """Number of trees."""
        return int(self._booster.num_trees())

    def matrix(self, views: Mapping[str, ViewBatch], overrides: Sequence[Overrides] = ()) -> Matrix:
        """The model's input, shape (n, f), from what a feature reader returned for n clients and their overrides."""
        return self._encoder.from_views(views, overrides)

    def matrix_from_columns(self, columns: Mapping[str, ColumnValues]) -> Matrix:
        """The model's input, shape (n, f), from table columns by feature name, request-time features included."""
        return self._encoder.from_columns(columns)

    def predict(self, matrix: Matrix, threads: int = 1) -> Prediction:
        """Score rows of shape (n, f); a row gives the same bits alone and in a batch, with any number of threads.

        More than one thread pays for thousands of rows only: OpenMP's start-up costs a single row more than its trees.
        """
        margin = np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=threads), dtype=np.float64)
        return Prediction(margin, self.calibration.probability(margin))

    def contributions(self, matrix: Matrix) -> Matrix:
        """Exact SHAP values in margin units, shape (n, f + 1); the last column is the base value.

        A row gives the same bits alone and in a batch. Trees too deep to be tabulated are explained by LightGBM.
        """
        return self.reference_contributions(matrix) if self._shap is None else self._shap.contributions(matrix)

    def reference_contributions(self, matrix: Matrix, threads: int = 1) -> Matrix:
        """LightGBM's own SHAP values, which `contributions` equals but for the last bits: slower, for comparison."""
        return np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=threads), dtype=np.float64)

    def decide(self, probability: float) -> Decision:
        """Approve or refuse one calibrated probability."""
        return self.policy.decide(probability)

    def reasons(
        self, contributions: NDArray[np.float64], row: NDArray[np.float64], language: Language = "en"
    ) -> tuple[Reason, ...]:
        """One to four reasons, the strongest push towards default first.

        Features that share a text give one reason, the strongest. Without any push towards default the weakest push
        away from it is named, since an answer owes at least one reason.

        Args:
            contributions: one row of `contributions`, shape (f + 1,).
            row: the same client's row of `matrix`, shape (f,).
            language: of the texts.
        """
        (strongest,) = self.strongest(contributions[None], language)
        return tuple(
            self._reason(feature, contributions, row, language) for feature in strongest.tolist() if feature >= 0
        )

    def strongest(self, contributions: Matrix, language: Language = "en") -> NDArray[np.intp]:
        """The features that `reasons` would name, for many rows at once.

        Args:
            contributions: of `contributions`, shape (n, f + 1).
            language: of the texts.

        Returns:
            Positions of features by row, the strongest first, shape (n, MAX_REASONS); -1 where there is none.
        """
        return strongest_pushes(contributions[:, :-1], self._text_groups[language], MAX_REASONS)

    def value(self, feature: int, encoded: float) -> float | str | None:
        """What stands behind one cell of the matrix: a number, a category, or None for null."""
        return self._encoder.value(feature, encoded)

    def reference(self) -> pa.Table:
        """The sample of raw feature values, margin and probability that drift is measured against."""
        return pq.read_table(io.BytesIO(self._reference))

    def _groups(self, language: Language) -> NDArray[np.intp]:
        """By feature, a number that it shares with those of the same text."""
        texts = [self.reason_texts.text(name, language) for name in self.contract.names]
        return np.unique(texts, return_inverse=True)[1].astype(np.intp)

    def _reason(
        self, feature: int, contributions: NDArray[np.float64], row: NDArray[np.float64], language: Language
    ) -> Reason:
        name = self.contract.names[feature]
        return Reason(
            feature=name,
            value=self._encoder.value(feature, float(row[feature])),
            contribution=float(contributions[feature]),
            text=self.reason_texts.text(name, language),
        )


def _tree_shap(parsed: Sequence[Tree], features: int) -> TreeShap | None:
    return TreeShap(parsed, features) if fits(parsed) else None


def _booster(model_text: str) -> lgb.Booster:
    try:
        return lgb.Booster(model_str=model_text)
    except lgb.basic.LightGBMError as error:
        raise BundleError(f"LightGBM refuses the model text: {error}") from error
