import json
import subprocess
import sys

import pytest

from credit.cli import run


def test_help_names_every_command(capsys):
    assert run(["data", "--help"]) == 0
    text = capsys.readouterr().out
    for name in ("generate", "check", "ingest", "download"):
        assert name in text


def test_ingestion_loads_its_engine_only_when_it_runs():
    code = "import sys, json, feature_repo.ingest.commands; print(json.dumps(list(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"duckdb", "pandas", "feast"} & set(json.loads(out))


@pytest.mark.parametrize("option", [["--calendar-start", "2022-01-04"], ["--buckets", "0"]])
def test_impossible_options_are_refused(tmp_path, option):
    assert run(["data", "ingest", "--source", str(tmp_path), *option]) == 1
    assert not list(tmp_path.iterdir())
