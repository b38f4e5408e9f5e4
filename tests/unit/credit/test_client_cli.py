import io
import json

import pytest
from rich.console import Console

from credit import cli
from credit.client.address import DEFAULT_URL, default_url
from credit.client.answers import Score
from credit.client.display import show
from credit.demo.cli import _decision
from credit.errors import StepError
from credit.platform import Home

SCORE = {
    "client_id": 7,
    "decision_id": "d-1",
    "probability": 0.1873,
    "points": 529.5,
    "prediction": 1,
    "decision": "refused",
    "threshold": 0.0909,
    "risk_band": "D",
    "reasons": [{"feature": "ext_source_3", "value": 0.139, "contribution": 0.71, "text": "A score [low]."}],
    "features": {"bureau": {"status": "not_found", "as_of": None, "built_at": None, "age_seconds": None}},
    "quality": {"coverage": 0.93, "stale": ["pos_cash"], "missing": ["bureau"], "policies": {"bureau": "refer"}},
    "model": {"name": "credit-scoring", "version": "3", "new": True},
    "new": 1,
}


def shown(score):
    console = Console(file=io.StringIO(), width=200)
    show(console, Score.model_validate_json(json.dumps(score)))
    return console.file.getvalue()


def test_a_decision_is_shown_whole():
    text = shown(SCORE)
    for part in (
        "REFUSED", "client 7", "18.73%", "9.09%", "530 points", "risk band D", "decision d-1", "version 3",
        "coverage of the features 93%; stale: pos_cash; missing: bureau (refer)", "A score [low].", "+0.710", "0.139",
        "not_found",
    ):  # fmt: skip
        assert part in text


def test_without_reasons_there_is_no_table_of_them():
    assert "Reasons" not in shown(SCORE | {"reasons": []})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give one client id"),
        (["7", "--file", "ids"], "give one client id"),
        (["--file", "ids", "--application", "amt_credit=5"], "one client"),
        (["7", "--application", "amt_credit"], "NAME=AMOUNT"),
        (["7", "--application", "amt_credit=much"], "NAME=AMOUNT"),
        (["--file", "/nonexistent/ids"], "cannot read"),
        (["7", "--url", "localhost:8000"], "must look like http://HOST:PORT"),
        (["7", "--url", "http://[::"], "must look like http://HOST:PORT"),
        (["7", "--url", "//x"], "must look like http://HOST:PORT"),
        (["7", "--url", "http://127.0.0.1:1"], "creditctl serve"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, told, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CREDIT_HOME", str(tmp_path))
    assert cli.run(["score", *arguments]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert told in line


def test_a_line_that_is_no_id_is_named_before_anyone_is_asked(capsys, tmp_path):
    (tmp_path / "ids").write_text("7\n\n8 9\n")
    assert cli.run(["score", "--file", str(tmp_path / "ids"), "--url", "http://127.0.0.1:1"]) == 1
    assert "error: line 3 is no client id" in capsys.readouterr().err


def test_the_service_is_the_demos_or_at_the_usual_port(tmp_path, monkeypatch):
    home = Home(tmp_path)
    assert default_url(home) == DEFAULT_URL
    home.run.mkdir()
    from credit.demo.processes import start_time

    record = {"pid": 1, "started": start_time(1), "port": 8123, "fingerprint": "x"}
    (home.run / "serve.json").write_text(json.dumps(record))
    assert default_url(home) == "http://127.0.0.1:8123"


def test_the_demo_tells_that_its_service_does_not_answer():
    with pytest.raises(StepError, match=r"step 'score' failed: no answer of http://127\.0\.0\.1:1"):
        _decision("http://127.0.0.1:1", 7)
