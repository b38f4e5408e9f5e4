"""The out-of-time test as judges see it: clients that no model in question was trained, stopped or calibrated on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle, Prediction
from credit.bundle.encoding import Matrix
from credit.platform import Home
from feature_repo.locations import event_store
from feature_repo.store import historical_features
from training.dataset import Dataset, FeatureSource, TableColumns, matured_labels
from training.fairness import fairness_groups
from training.recipe import request_of
from training.split import Rows

#: The feature service of protected attributes, for fairness only.
FAIRNESS_SERVICE = "fairness_v1"


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


def unseen_of(dataset: Dataset, test: Rows, demographics: FeatureSource) -> Unseen:
    """The test part of data in memory, with the groups that `demographics` tells."""
    spine = pa.table(
        {
            "SK_ID_CURR": dataset.client_ids[test],
            "as_of": pa.array(dataset.applied_at[test]).cast(pa.timestamp("us", "UTC")),
        }
    )
    return Unseen(
        client_ids=dataset.client_ids[test],
        applied_at=dataset.applied_at[test],
        labels=dataset.labels[test],
        features=dataset.features.take(pa.array(test)),
        groups=fairness_groups(demographics(spine)),
    )


def load_unseen(home: Home, challenger: Bundle, champion: Bundle | None) -> Unseen:
    """The challenger's out-of-time test, joined anew from a platform folder as its bundle says.

    Holds the features of both models. Where features were corrected since training, they are the corrected ones, as
    serving reads them.

    Raises:
        TrainingError: no such application is there.
        FeatureError: a feature service is not registered, or features are not built.
    """
    origin = challenger.manifest.provenance
    labelled = matured_labels(event_store(home), request_of(origin))
    labelled = labelled.filter(pc.greater_equal(labelled["t0"], pa.scalar(origin.test_from)))
    spine = labelled.select(["SK_ID_CURR", "t0"]).rename_columns(["SK_ID_CURR", "as_of"])
    services = dict.fromkeys([challenger.contract.service, champion.contract.service if champion else None])
    features = spine
    for service in filter(None, services):
        for column in (joined := historical_features(home, spine, service)).column_names:
            if column not in features.column_names:
                features = features.append_column(column, joined[column])
    return Unseen(
        client_ids=labelled["SK_ID_CURR"].to_numpy(),
        applied_at=labelled["t0"].to_numpy().astype("datetime64[us]"),
        labels=labelled["target"].to_numpy(),
        features=features,
        groups=fairness_groups(historical_features(home, spine, FAIRNESS_SERVICE)),
    )
