"""Fits LightGBM: deterministic, without class weights, as many trees as early stopping on the validation part says."""

import lightgbm as lgb
import numpy as np

from credit.progress import Step
from training.binning import Layout, binned, categorical_columns
from training.parameters import parameters
from training.prepare import Prepared
from training.settings import TrainingSettings


def fit(prepared: Prepared, settings: TrainingSettings, progress: Step) -> lgb.Booster:
    """The model; the same data and settings give the same text.

    The number of trees is the one of the lowest log-loss on the validation part. Then as many trees are grown on both
    parts together: what has told when to stop need not be lost for learning.

    Args:
        prepared: its calibration and test parts are not touched.
        settings: of the model.
        progress: advances by tree, at most twice `settings.trees` in all.
    """
    trees = int(stopped_early(prepared, settings, progress).best_iteration)
    rows = np.sort(np.concatenate([prepared.split.train, prepared.split.validation]))
    chosen = parameters(settings, prepared.contract.names, rows.size)
    layout = Layout(prepared.contract.names, categorical_columns(prepared.contract), chosen)
    return lgb.train(
        chosen,
        binned(prepared.matrix[rows], prepared.dataset.labels[rows], layout),
        num_boost_round=trees,
        callbacks=[lambda _: progress.advance()],
    )


def stopped_early(prepared: Prepared, settings: TrainingSettings, progress: Step) -> lgb.Booster:
    """Trees on the train part alone, until the validation part's log-loss has stopped to fall."""
    matrix, labels = prepared.part("train")
    chosen = parameters(settings, prepared.contract.names, labels.size)
    layout = Layout(prepared.contract.names, categorical_columns(prepared.contract), chosen)
    training = binned(matrix, labels, layout)
    return lgb.train(
        chosen,
        training,
        num_boost_round=settings.trees,
        valid_sets=[binned(*prepared.part("validation"), layout, bins_of=training)],
        callbacks=[lgb.early_stopping(settings.patience, verbose=False), lambda _: progress.advance()],
    )
