import pytest

from credit.errors import GateRefusedError
from feature_repo.datagen import commands
from feature_repo.datagen.generate import Request, generate_portfolio
from feature_repo.datagen.parameters import TABLE_ROWS
from feature_repo.datagen.realism import Finding, connect, table_findings


def test_a_finding_passes_within_its_limits_only():
    assert Finding("rate", 0.08, 0.0757, 0.0857).passed
    assert not Finding("rate", 0.09, 0.0757, 0.0857).passed
    assert Finding("rate", 0.09, 0.0757, 0.0857).report()["passed"] is False


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("realism")
    generate_portfolio(Request(2_000, 5, folder / "raw", folder / "oracle", 1))
    with connect(folder / "raw", threads=1) as connection:
        return {finding.name: finding for finding in table_findings(connection, 2_000)}


def test_rows_of_a_small_portfolio_are_near_the_real_proportions(findings):
    for name in TABLE_ROWS:
        assert findings[f"rows of {name} / expected"].measured == pytest.approx(1, abs=0.15), name


def test_shares_of_a_small_portfolio_are_near_the_real_ones(findings):
    for name, finding in findings.items():
        if name.startswith("share: "):
            middle = (finding.lowest + finding.highest) / 2
            assert finding.measured == pytest.approx(middle, abs=0.06), name


def test_time_invariants_hold(findings):
    counts = [finding for name, finding in findings.items() if name.startswith("count: ")]
    assert len(counts) == 3
    assert all(finding.measured == 0 for finding in counts)


@pytest.mark.parametrize("broken", [True, False])
def test_check_refuses_when_a_limit_is_broken(monkeypatch, capsys, broken):
    finding = Finding("some figure", 2.0 if broken else 0.5, 0.0, 1.0)
    monkeypatch.setattr(commands, "generate_portfolio", lambda request: None)
    monkeypatch.setattr("feature_repo.datagen.realism.measure", lambda *_: [finding])
    if broken:
        with pytest.raises(GateRefusedError, match="some figure"):
            commands.check(clients=100, seed=1, workers=1, as_json=True)
    else:
        commands.check(clients=100, seed=1, workers=1, as_json=False)
    assert "some figure" in capsys.readouterr().out
