"""A study that is kept in a database, belongs to one data set and search space, and goes on after a kill."""

import json
import math
import os
import socket
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import optuna
import psutil
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event, make_url

from credit.errors import SettingsError
from training.settings import TrainingSettings
from training.tune.candidate import Parameters, TuningData
from training.tune.sampler import FAILURE, ReseededSampler
from training.tune.space import search_space, starting_point

FINISHED: Final = (TrialState.COMPLETE, TrialState.PRUNED)
#: Attributes of a trial.
BASELINE: Final = "baseline"
TREES: Final = "trees"
WORKER: Final = "worker"
_OWNER: Final = "owner"
#: A process that is alive names itself as a trial's owner within this time.
_NAMELESS_SECONDS: Final = 5.0
#: Parameters that change no tree.
_NO_EFFECT: Final = {"num_threads", "verbosity"}
_CONNECT_SECONDS: Final = 10


class Study:
    """Asks and tells trials of an Optuna study so that a resumed search goes on as if it had never stopped.

    Args:
        optuna_study: with its pruner.
        storage: of the study.
        settings: the starting point, its first trial.
    """

    def __init__(
        self, optuna_study: optuna.Study, storage: optuna.storages.RDBStorage, settings: TrainingSettings
    ) -> None:
        self.optuna, self._storage = optuna_study, storage
        self.space: dict[str, BaseDistribution] = search_space(settings)
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
        """The next candidate."""
        trial = self.optuna.ask(fixed_distributions=self.space)
        trial.set_user_attr(_OWNER, self._owner)
        return trial

    def complete(self, trial: optuna.Trial, log_loss: float, trees: int) -> None:
        """The trial came to its end; a log-loss that is no number makes it a failure."""
        if not math.isfinite(log_loss):
            self.fail(trial, f"its log-loss is {log_loss}")
            return
        trial.set_user_attr(TREES, trees)
        self.optuna.tell(trial, log_loss)

    def prune(self, trial: optuna.Trial) -> None:
        """The trial was stopped early."""
        self.optuna.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: optuna.Trial, cause: str) -> None:
        """The trial could not be fitted."""
        trial.set_user_attr(FAILURE, cause)
        self.optuna.tell(trial, state=TrialState.FAIL)

    def repeat(self, trial: optuna.Trial) -> None:
        """The trial was lost without fault of its own: ask for the same settings again."""
        self.optuna.tell(trial, state=TrialState.FAIL)
        self.optuna.enqueue_trial(trial.params, user_attrs={BASELINE: True} if BASELINE in trial.user_attrs else None)

    def close(self) -> None:
        """Leave the database."""
        _leave(self._storage)

    def _abandon_dead(self) -> None:
        """Trials whose process was killed will never end; those of other machines are left to them."""
        deadline = time.monotonic() + _NAMELESS_SECONDS
        while (running := self._running()) and not all(_owner(trial) for trial in running):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        for trial in running:
            host, _, pid = _owner(trial).rpartition(":")
            here = host == socket.gethostname()
            if not host or (here and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid)))):
                self.optuna.tell(trial.number, state=TrialState.FAIL)

    def _running(self) -> list[FrozenTrial]:
        return self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def _queue_baseline(self, point: dict[str, float]) -> None:
        there = (TrialState.COMPLETE, TrialState.WAITING)
        if not any(trial.state in there and BASELINE in trial.user_attrs for trial in self.trials):
            self.optuna.enqueue_trial(point, user_attrs={BASELINE: True})


def _owner(trial: FrozenTrial) -> str:
    """Machine and process that run it; empty in the moment in which it is being asked for."""
    return str(trial.user_attrs.get(_OWNER, ""))


def open_study(url: str, name: str, settings: TrainingSettings) -> Study:
    """The study `name` in the database at `url`, made if it is not there.

    Raises:
        SettingsError: the database cannot be opened.
    """
    storage = None
    try:
        storage = _connect(url)
        found = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize",
            sampler=ReseededSampler(settings.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3),
        )
        return Study(found, storage, settings)
    except Exception as error:  # every driver has its own
        if storage is not None:
            _leave(storage)
        raise SettingsError(
            f"cannot open the study at {redacted(url)}: {_without_password(str(error).strip(), url)}. Give --study a "
            "SQLAlchemy address of a database that can be written, such as sqlite:////folder/study.db or "
            "postgresql+psycopg://user:password@host/database"
        ) from error


def _connect(url: str) -> optuna.storages.RDBStorage:
    backend = make_url(url).get_backend_name()
    options: dict[str, Any] = {"connect_args": {"connect_timeout": _CONNECT_SECONDS}} if backend == "postgresql" else {}
    # Trials take minutes, and servers close connections that are idle for long.
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **options})
    if backend == "sqlite":
        # A trial is a dozen commits. A write-ahead log saves most of their waits for the disk; a kill loses nothing.
        event.listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()
    return storage


def _write_ahead(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _leave(storage: optuna.storages.RDBStorage) -> None:
    storage.remove_session()
    storage.engine.dispose()


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
