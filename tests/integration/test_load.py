"""The load test itself, against a running service: its figures, its report, its exit code."""

import csv
import os
import subprocess
import sys

import pytest
from contract_samples import SAMPLES
from serving_replica import MLFLOW_WARNING
from serving_service import CLIENTS
from serving_world import FIRST_CLIENT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(MLFLOW_WARNING)]
EXPLAIN = "2" if ("POST", "/v1/explain") in SAMPLES else "0"


def load(service, folder, *options):
    command = [
        sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "-u", "2", "-t", "4s",
        "--host", service.url, "--html", str(folder / "report.html"),
        "--stats-file", str(folder / "load" / "stats.csv"),
        "--first-client", str(FIRST_CLIENT), "--clients", str(CLIENTS), "--batch", "1", "--explain", EXPLAIN, *options,
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_a_load_within_the_objective_exits_with_0(service, tmp_path):
    finished = load(service, tmp_path, "--slo-p50", "5000", "--slo-p99", "20000", "--slo-errors", "0")
    assert finished.returncode == 0, finished.stderr
    with (tmp_path / "load" / "stats.csv").open(newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    wanted = {"/v1/score known", "/v1/score unknown", "/v1/score overridden", "/v1/score/batch", "Aggregated"}
    assert wanted <= set(rows)
    assert all(int(row["Request Count"]) > 0 and int(row["Failure Count"]) == 0 for row in rows.values())
    assert "<html" in (tmp_path / "report.html").read_text()[:200].lower()


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--slo-p50", "0"), "objective missed: p50"), (("--first-client", "5"), "objective missed: errors")],
)
def test_a_missed_objective_exits_with_1(service, tmp_path, options, told):
    finished = load(service, tmp_path, "--slo-p50", "5000", "--slo-p99", "20000", *options)
    assert finished.returncode == 1
    assert told in finished.stderr
