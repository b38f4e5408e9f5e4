from pathlib import Path

import pytest

from credit.errors import FeatureError
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.reference import reference_page
from feature_repo.catalogue.statistics import Statistics, load_statistics
from feature_repo.cli.features import docs

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "features.md"


def test_the_committed_page_is_up_to_date():
    docs(out=PAGE, check=True)


def test_every_feature_is_on_the_page():
    page = reference_page(load_catalogue(), load_statistics())
    assert all(f"| `{feature.name}` |" in page for view in load_catalogue().views for feature in view.features)
    assert all(f"Owner: {view.owner}. TTL: {view.ttl_hours} h." in page for view in load_catalogue().views)


def test_the_page_shows_figures_and_a_dash_where_nothing_was_measured():
    statistics = Statistics(missing={"amt_annuity": 0.12345}, importance={"amt_annuity": 0.004})
    rows = [line for line in reference_page(load_catalogue(), statistics).splitlines() if line.startswith("| `amt_")]
    assert [row.endswith("| 12.3% | 0.4% |") for row in rows] == ["`amt_annuity`" in row for row in rows]
    assert sum(row.endswith("| – | – |") for row in rows) == len(rows) - 1


def test_the_committed_figures_say_what_they_were_measured_on():
    statistics = load_statistics()
    assert statistics.measured_on is not None
    assert statistics.measured_on.rows > 0
    shares = [*statistics.missing.values(), *statistics.importance.values()]
    assert shares
    assert all(0 <= share <= 1 for share in shares)
    assert sum(statistics.importance.values()) == pytest.approx(1, abs=0.001)


def test_check_fails_when_the_page_differs_and_writes_nothing(tmp_path):
    page = tmp_path / "features.md"
    with pytest.raises(FeatureError, match="run `creditctl features docs`"):
        docs(out=page, check=True)
    assert not page.exists()
    docs(out=page)
    docs(out=page, check=True)
    page.write_text(page.read_text() + "x")
    with pytest.raises(FeatureError, match="out of date"):
        docs(out=page, check=True)
