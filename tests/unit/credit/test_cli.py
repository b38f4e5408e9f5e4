import json
import subprocess
import sys

import pytest

from credit import __version__, cli
from credit.errors import DataError, GateRefusedError

FRAMEWORKS = ["feast", "ray", "mlflow", "redis", "lightgbm", "pandas", "numpy", "pyarrow", "duckdb", "fastapi"]


def test_help_names_every_group_and_imports_no_framework():
    code = (
        "import json, sys; from credit import cli; code = cli.run(['--help']);"
        f"print('|' + json.dumps([code, [m for m in {FRAMEWORKS} if m in sys.modules]]))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, result = finished.stdout.rpartition("|")
    assert json.loads(result) == [0, []]
    assert all(name in text for name in cli.COMMANDS)


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("arguments", [["nonsense"], ["demo", "up", "--port", "zero"], ["demo", "--nonsense"]])
def test_wrong_usage_is_an_error_not_a_gate(arguments, capsys):
    assert cli.run(arguments) == 1
    assert "Error" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(DataError("bad", ["a", "b"]), 1), (GateRefusedError("no"), 2)])
def test_errors_become_exit_codes_and_text(error, code, monkeypatch, capsys):
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "_load", lambda _target: fail)
    assert cli.run(["train"]) == code
    assert f"error: {error}" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_group_loads_and_has_help(name, capsys):
    assert cli.run([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out
