"""Studies through kills: of the search, of its database, of a node; on SQLite, PostgreSQL and Ray."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from postgres_server import PASSWORD, PostgresServer, postgres_server
from ray_nodes import ROOT, Cluster, ray_cluster
from tuning_data import outline, search, slow_settings

from training.tune.report import Tuned

pytestmark = pytest.mark.timeout(900)

TREES = 60
#: Trees of a trial that takes some seconds.
MANY_TREES = 3_000
MORE = 2


def start(folder: Path, trials: int, trees: int, *where: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(ROOT / "tests" / "tuning_data.py"), str(folder), str(trials), str(trees), *where]
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env={**os.environ, **environment, **paths}, text=True, stdout=pipe, stderr=pipe)


def states(url: str) -> list[str]:
    """States of all trials; none as long as there is no study."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text("select state from trials order by number")).scalars())
    except sqlalchemy.exc.DBAPIError:
        return []
    finally:
        engine.dispose()


def workers(url: str) -> set[str]:
    """Processes on Ray that ended trials."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        query = "select value_json from trial_user_attributes where key = 'worker'"
        found = set(connection.execute(sqlalchemy.text(query)).scalars())
    engine.dispose()
    return found


def finished(url: str) -> int:
    return sum(state in ("COMPLETE", "PRUNED") for state in states(url))


def wait_for_trials(url: str, count: int, process: "subprocess.Popen[str]") -> None:
    wait_for(lambda: finished(url) >= count, process)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def assert_done(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    return out + err


def assert_as_uninterrupted(resumed: Tuned, tmp_path: Path, trees: int = TREES) -> None:
    whole = search(tmp_path / "whole", resumed.report.finished, settings=slow_settings(trees))
    assert outline(resumed) == outline(whole)


def test_a_killed_search_goes_on_and_ends_as_if_it_had_not_been(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    process = start(tmp_path, 10_000, TREES)
    wait_for_trials(url, 4, process)
    kill(process)
    before = finished(url)
    resumed = search(tmp_path, before + MORE, settings=slow_settings(TREES))
    assert resumed.report.finished == before + MORE
    assert not {"running", "waiting"} & {trial.state for trial in resumed.report.trials}
    assert_as_uninterrupted(resumed, tmp_path)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.mark.slow
def test_a_study_in_postgresql_survives_the_search_and_its_server(postgres, tmp_path):
    process = start(tmp_path, 10_000, TREES, TUNING_STUDY=postgres.url)
    wait_for_trials(postgres.url, 3, process)
    kill(process)
    process = start(tmp_path, 10_000, TREES, TUNING_STUDY=postgres.url)
    wait_for_trials(postgres.url, finished(postgres.url) + 2, process)
    postgres.stop()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was lost on the way" in err
    assert "finished trials are kept" in err
    postgres.start()
    before = finished(postgres.url)
    resumed = search(tmp_path, before + MORE, settings=slow_settings(TREES), study_url=postgres.url)
    assert resumed.report.finished == before + MORE
    assert PASSWORD not in err.partition("Traceback")[0] + resumed.report.model_dump_json()
    assert "study:***@127.0.0.1" in resumed.report.storage
    assert not list(tmp_path.iterdir()), "a study in PostgreSQL left files"


@pytest.mark.slow
def test_two_searches_share_a_study(postgres, tmp_path):
    # Other trees: another study in the same database.
    pair = [start(tmp_path, 12, TREES - 1, TUNING_STUDY=postgres.url) for _ in range(2)]
    for process in pair:
        assert_done(process)
    found = search(tmp_path, 1, settings=slow_settings(TREES - 1), study_url=postgres.url).report
    assert found.finished in (12, 13)  # the second may have begun its last when the first ended the twelfth
    points = [tuple(trial.settings.items()) for trial in found.trials if not trial.baseline]
    assert len(set(points)) == len(points), "both tried the same"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ray_cluster(1) as found:
        found.add(1)
        yield found


def start_on(cluster: Cluster, folder: Path, trials: int, trees: int, **environment: str) -> "subprocess.Popen[str]":
    return start(folder, trials, trees, "ray", cluster.address, **{**cluster.environment, **environment})


@pytest.mark.slow
def test_trials_run_side_by_side_on_ray_and_a_killed_search_goes_on_on_either_engine(cluster, postgres, tmp_path):
    process = start_on(cluster, tmp_path, 10_000, MANY_TREES, TUNING_STUDY=postgres.url)
    begun = finished(postgres.url)
    wait_for_trials(postgres.url, begun + 3, process)
    # One after the other, all would run in one process.
    wait_for(lambda: len(workers(postgres.url)) == 2, process)
    kill(process)
    kept = [path for path in (tmp_path / "ray").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]

    def resume(trials: int) -> Tuned:
        return search(tmp_path, trials, settings=slow_settings(MANY_TREES), study_url=postgres.url)

    before = resume(1).report.finished
    assert before >= 3
    assert_done(start_on(cluster, tmp_path, before + MORE, MANY_TREES, TUNING_STUDY=postgres.url))
    report = resume(before + MORE + 1).report
    assert report.finished == before + MORE + 1
    assert report.best_log_loss <= report.baseline_log_loss


@pytest.mark.slow
def test_ray_finds_what_this_process_finds_and_stops_poor_trials(cluster, tmp_path):
    assert_done(start_on(cluster, tmp_path, 14, TREES))
    found = search(tmp_path, 1, settings=slow_settings(TREES))
    assert found.report.finished == 14
    assert "pruned" in {trial.state for trial in found.report.trials}
    here = search(tmp_path / "here", 2, settings=slow_settings(TREES))
    assert outline(found)[:2] == outline(here)  # later ones depend on which ended first
    assert not list((tmp_path / "ray").iterdir())


@pytest.mark.slow
def test_a_trial_whose_node_dies_is_repeated(cluster, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    doomed = cluster.add(1)
    process = start_on(cluster, tmp_path, 5, MANY_TREES)
    wait_for_trials(url, 1, process)
    doomed.kill()
    assert_done(process)
    assert states(url).count("COMPLETE") + states(url).count("PRUNED") == 5
    assert states(url).count("FAIL") <= 1  # a trial that was just starting there was repeated as another


@pytest.mark.slow
def test_an_unknown_ray_is_an_error_that_names_it(tmp_path):
    process = start(tmp_path, 1, TREES, "ray", "127.0.0.1:1")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "cannot join the Ray at 127.0.0.1:1" in err
