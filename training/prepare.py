"""From labelled applications to a split, a feature contract and the model's matrix."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.bundle.encoding import MatrixEncoder
from credit.progress import step
from credit.schemas.features import FeatureContract
from training.dataset import Dataset, draft_contract
from training.leakage import refuse_leaks
from training.settings import TrainingSettings
from training.split import Part, Split, split_applications


@dataclass(frozen=True, slots=True)
class Prepared:
    """Data ready to be fitted; `matrix` is of shape (n, f) in the contract's order, rows as in the dataset."""

    dataset: Dataset
    split: Split
    contract: FeatureContract
    matrix: NDArray[np.float64]

    def part(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Matrix and labels of one part of the split."""
        rows = getattr(self.split, name)
        return self.matrix[rows], self.dataset.labels[rows]


def prepare(dataset: Dataset, settings: TrainingSettings) -> Prepared:
    """Split, freeze the contract on the training part, encode.

    Raises:
        TrainingError: a part lacks a class, or a column looks leaked.
    """
    split = split_applications(
        dataset.applied_at,
        dataset.persons,
        dataset.labels,
        test=Part(settings.test_share, settings.most_tested),
        validation=Part(settings.validation_share, settings.most_validated),
        calibration=Part(settings.calibration_share, settings.most_calibrated),
        seed=settings.seed,
    )
    with step("Encode features"):
        contract = draft_contract(dataset, split.train)
        prepared = Prepared(dataset, split, contract, MatrixEncoder(contract).from_columns(dataset.columns()))
        refuse_leaks(*prepared.part("train"), contract, settings.leakage_auc)
    return prepared
