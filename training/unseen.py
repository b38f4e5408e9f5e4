"""The out-of-time test as judges see it: clients that no model in question was trained, stopped or calibrated on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle, Prediction
from credit.bundle.encoding import Matrix
from training.dataset import TableColumns


@dataclass(frozen=True, slots=True)
class Unseen:
    """n labelled applications of the out-of-time test.

    Attributes:
        client_ids: shape (n,).
        applied_at: T0, datetime64[us] in UTC, shape (n,).
        labels: 0 or 1, shape (n,).
        features: the feature service's features as of T0, rows in the same order.
        groups: by attribute (gender, age_band, family_status), each client's group; for fairness only.
    """

    client_ids: NDArray[np.int64]
    applied_at: NDArray[np.datetime64]
    labels: NDArray[np.int64]
    features: pa.Table
    groups: Mapping[str, Sequence[str]]

    def matrix(self, bundle: Bundle) -> Matrix:
        """The input of one model, shape (n, f).

        Raises:
            FeatureError: the model eats a feature that these clients were not joined with.
        """
        return bundle.matrix_from_columns(TableColumns(self.features))

    def predict(self, bundle: Bundle) -> Prediction:
        """Margins and calibrated probabilities of one model."""
        return bundle.predict(self.matrix(bundle))
