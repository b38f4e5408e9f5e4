"""On generated data: what is kept out of the decision tells a protected attribute, what is served does not."""

import pytest

from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.spine import training_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.datagen.generate import Request, generate_portfolio
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest
from feature_repo.proxies import measure_proxies

pytestmark = pytest.mark.slow
LIMIT = 0.8


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    generate_portfolio(Request(4_000, seed=7, out=folder / "raw", oracle=folder / "oracle"))
    ingest(folder / "raw", folder / "events", Options(buckets=2))
    store = EventStore(folder / "events")
    build_views(store, training_spine(store), folder / "offline", "training", load_catalogue().views)
    report = measure_proxies(folder / "offline", "training", load_catalogue())
    return {row.feature: row for row in report.features}


def test_no_decision_feature_tells_a_protected_attribute_undeclared(rows):
    assert {name for name, row in rows.items() if row.beyond(LIMIT)} == set()


def test_what_was_taken_out_by_measurement_does_tell(rows):
    for name in ("flag_not_employed", "flag_emp_phone", "name_income_type", "occupation_type"):
        assert rows[name].auc["age"] > LIMIT, name


def test_what_is_kept_is_declared_for_a_reason(rows):
    kept = {one.name for view in load_catalogue().views for one in view.features if one.kept_because}
    assert kept == {name for name, row in rows.items() if row.decision and row.strongest()[0] > LIMIT}
