"""`creditctl score` against the real service behind a real HTTP server."""

import io
import json

import pytest
from flaky_server import FlakyServer
from serving_replica import MLFLOW_WARNING
from serving_world import FIRST_CLIENT

from credit import cli

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
UNKNOWN = 2**62


@pytest.fixture(scope="module")
def server(replica):
    with FlakyServer(replica.replica.api()).running() as running:
        yield running


@pytest.fixture
def score(server, capsys):
    """Run the command; returns exit code, standard output and standard error."""

    def run(*arguments):
        code = cli.run(["score", *arguments, "--url", server.url])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_one_client_is_shown(score, replica):
    code, out, _ = score(str(FIRST_CLIENT), "--application", "amt_credit=500000", "--lang", "fr")
    record = replica.decisions()[-1]
    assert code == 0
    assert record.decision_id in out
    assert "pèse" in out
    assert (record.overrides.amt_credit, record.language) == (500_000.0, "fr")


def test_one_client_as_json(score, replica):
    code, out, _ = score(str(FIRST_CLIENT), "--json", "--no-reasons")
    answer = json.loads(out)
    record = replica.decisions()[-1]
    assert (code, answer["decision_id"], answer["probability"]) == (0, record.decision_id, record.probability)
    assert answer["reasons"] == []


def test_an_unknown_client_is_one_clear_line(score):
    code, out, err = score(str(UNKNOWN))
    assert (code, out) == (1, "")
    assert f"error: client {UNKNOWN} is unknown" in err.splitlines()[-1]


def test_the_key_comes_from_the_environment(score, server, monkeypatch):
    monkeypatch.setenv("CREDIT_API_KEY", "k-7")
    assert score(str(FIRST_CLIENT))[0] == 0
    assert server.seen[-1]["authorization"] == "Bearer k-7"


def test_many_clients_are_json_lines_in_order(score, tmp_path):
    (tmp_path / "ids").write_text(f"{FIRST_CLIENT}\n{FIRST_CLIENT + 1}\n")
    code, out, _ = score("--file", str(tmp_path / "ids"))
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["result"]["client_id"] for line in lines] == [FIRST_CLIENT, FIRST_CLIENT + 1]


def test_many_from_standard_input_with_an_unknown_one_exit_with_1(score, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{UNKNOWN}\n{FIRST_CLIENT}\n"))
    code, out, err = score("--file", "-")
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (code, first["problem"]["code"], second["client_id"]) == (1, "unknown_client", FIRST_CLIENT)
    assert "1 of 2 clients got no decision" in err
