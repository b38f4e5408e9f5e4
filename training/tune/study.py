"""A study that is kept in a database, belongs to one data set and search space, and goes on after a kill."""

import json
import os
import socket
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import psutil
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url

from credit.errors import SettingsError
from training.settings import TrainingSettings
from training.tune.candidate import Parameters, TuningData
from training.tune.space import search_space, starting_point

FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED)
#: Attributes of a trial.
BASELINE: Final = "baseline"
FAILURE: Final = "failure"
TREES: Final = "trees"
_OWNER: Final = "owner"
#: Parameters that change no tree.
_NO_EFFECT: Final = {"num_threads", "verbosity"}
_CONNECT_SECONDS: Final = 10


class Study:
    """Asks and tells trials of an Optuna study so that a resumed search goes on as if it had never stopped.

    Args:
        optuna_study: with its storage and pruner.
        settings: the starting point, its first trial.
    """

    def __init__(self, optuna_study: optuna.Study, settings: TrainingSettings) -> None:
        self.optuna = optuna_study
        self.space: dict[str, BaseDistribution] = search_space(settings)
        self._seed = settings.seed
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._abandon_dead()
        self._queue_baseline(starting_point(settings))

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """All trials, in order of their numbers."""
        return self.optuna.get_trials(deepcopy=False)

    def finished(self) -> int:
        """Trials that ended with a figure: complete, or stopped early as poor ones."""
        return sum(trial.state in FINISHED for trial in self.trials)

    def baseline(self) -> FrozenTrial | None:
        """The complete trial of the settings as they were."""
        return next((t for t in self.trials if t.state == TrialState.COMPLETE and BASELINE in t.user_attrs), None)

    def best(self) -> FrozenTrial | None:
        """The complete trial of the lowest log-loss; of equals, the first."""
        complete = [trial for trial in self.trials if trial.state == TrialState.COMPLETE]
        return min(complete, key=lambda trial: (trial.value, trial.number), default=None)

    def ask(self) -> optuna.Trial:
        """The next candidate.

        The sampler is seeded anew for each trial by the number of trials before, so that trials do not depend on where
        earlier runs ended.
        """
        before = sum(trial.state != TrialState.WAITING and not _abandoned(trial) for trial in self.trials)
        drawn = int(np.random.SeedSequence([self._seed, before]).generate_state(1)[0])
        self.optuna.sampler = optuna.samplers.TPESampler(seed=drawn)
        trial = self.optuna.ask(fixed_distributions=self.space)
        trial.set_user_attr(_OWNER, self._owner)
        return trial

    def complete(self, trial: optuna.Trial, log_loss: float, trees: int) -> None:
        """The trial came to its end."""
        trial.set_user_attr(TREES, trees)
        self.optuna.tell(trial, log_loss)

    def prune(self, trial: optuna.Trial) -> None:
        """The trial was stopped early."""
        self.optuna.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: optuna.Trial, cause: str) -> None:
        """The trial could not be fitted."""
        trial.set_user_attr(FAILURE, cause)
        self.optuna.tell(trial, state=TrialState.FAIL)

    def _abandon_dead(self) -> None:
        """Trials whose process was killed will never end; those of other machines are left to them."""
        for trial in self.optuna.get_trials(states=(TrialState.RUNNING,)):
            host, _, pid = str(trial.user_attrs.get(_OWNER, "")).rpartition(":")
            if host == socket.gethostname() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
                self.optuna.tell(trial.number, state=TrialState.FAIL)

    def _queue_baseline(self, point: dict[str, float]) -> None:
        there = (TrialState.COMPLETE, TrialState.WAITING)
        if not any(trial.state in there and BASELINE in trial.user_attrs for trial in self.trials):
            self.optuna.enqueue_trial(point, user_attrs={BASELINE: True})


def _abandoned(trial: FrozenTrial) -> bool:
    """Whether its process was killed: a trial that failed by itself says why."""
    return trial.state == TrialState.FAIL and FAILURE not in trial.user_attrs


def open_study(url: str, name: str, settings: TrainingSettings) -> Study:
    """The study `name` in the database at `url`, made if it is not there.

    Raises:
        SettingsError: the database cannot be opened.
    """
    try:
        address = make_url(url)
        postgres = address.get_backend_name() == "postgresql"
        options: dict[str, Any] = {"connect_args": {"connect_timeout": _CONNECT_SECONDS}} if postgres else {}
        # Trials take minutes, and servers close connections that are idle for long.
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **options})
        found = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3),
        )
        return Study(found, settings)
    except Exception as error:  # every driver has its own
        raise SettingsError(
            f"cannot open the study at {redacted(url)}: {_without_password(str(error).strip(), url)}. Give --study a "
            "SQLAlchemy address of a database that can be written, such as sqlite:////folder/study.db or "
            "postgresql+psycopg://user:password@host/database"
        ) from error


def study_url(folder: Path) -> str:
    """The default: a SQLite file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'study.db'}"


def study_name(prefix: str, data: TuningData, settings: TrainingSettings, parameters: Parameters) -> str:
    """`prefix` and a digest of all that values depend on: data, search space, fixed parameters, starting point."""
    digest = sha256(data.fingerprint.encode())
    relevant = {name: value for name, value in parameters.items() if name not in _NO_EFFECT}
    space = {name: distribution_to_json(one) for name, one in search_space(settings).items()}
    digest.update(json.dumps([relevant, space, settings.trees, settings.patience], sort_keys=True).encode())
    return f"{prefix}-{digest.hexdigest()[:12]}"


def redacted(url: str) -> str:
    """The address without its password; no part of what is no address, as a password may be anywhere in it."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except Exception:
        return "the address given"


def _without_password(text: str, url: str) -> str:
    try:
        password = make_url(url).password
    except Exception:
        return text.partition("'")[0]  # the parser quotes what it could not parse
    return text.replace(str(password), "***") if password else text
