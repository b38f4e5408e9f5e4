"""Draws candidates so that they depend on the trials before, and not on when a process was started or killed."""

from typing import Any, Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

#: Attribute of a trial that failed by itself: why.
FAILURE: Final = "failure"


class ReseededSampler(BaseSampler):
    """Tree-structured Parzen estimators, seeded anew for each trial by its rank among those that were not abandoned.

    One seed for all would give a resumed search the candidates of the first run again, and two searches of one study
    the same candidates.

    Args:
        seed: of the study.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawing: BaseSampler = TPESampler(seed=seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Called with the new trial, before anything is drawn for it."""
        earlier = [one for one in study.get_trials(deepcopy=False) if one.number < trial.number]
        rank = sum(not abandoned(one) for one in earlier)
        self._drawing = TPESampler(seed=int(np.random.SeedSequence([self._seed, rank]).generate_state(1)[0]))

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As TPE."""
        return self._drawing.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As TPE."""
        return self._drawing.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As TPE."""
        return self._drawing.sample_independent(study, trial, param_name, param_distribution)


def abandoned(trial: FrozenTrial) -> bool:
    """Whether its process was killed: a trial that failed by itself says why."""
    return trial.state == TrialState.FAIL and FAILURE not in trial.user_attrs
