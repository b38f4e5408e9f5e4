"""What a lender could not know yet must not change a feature."""

from datetime import timedelta
from random import Random

import pyarrow.parquet as pq
import pytest
from event_files import CLIENT, T0, compute, day, event, features_of, random_history, spine, write_events
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feature_repo.aggregates.sql import event_tables
from feature_repo.catalogue import load_catalogue

VIEWS = load_catalogue().names
HISTORY_VIEWS = ("bureau", "previous_application", "installments", "pos_cash", "credit_card")
#: Several clients at once: each example costs ten queries, whatever it holds.
CLIENTS = range(CLIENT, CLIENT + 6)
DAYS_OF_AS_OF = st.sampled_from([0, 0, 45, 200, -300])
SEEDS = st.integers(0, 2**32 - 1)


def _features(folder, events, as_of):
    paths = write_events(folder, events)
    return {view: compute(view, paths, spine(*((client, as_of) for client in CLIENTS))) for view in HISTORY_VIEWS}


def _history(draw):
    return [item for client in CLIENTS for item in random_history(draw, client)]


def _known_later(draw, events, as_of):
    """Random events known at or after as_of, among them newer versions of the keys in `events`."""
    for table, row in _history(draw):
        if table != "application":
            yield table, row | _known_at(as_of + draw.choice((timedelta(0), timedelta(days=draw.randint(0, 400)))))
    others = dict(_history(draw))
    for table, row in events:
        if table != "application":
            keys = {name: value for name, value in row.items() if name.startswith(("SK_ID", "NUM_", "MONTHS_"))}
            moment = as_of + timedelta(microseconds=draw.randint(0, 10**12))
            yield table, row | others.get(table, {}) | keys | _known_at(moment)


def _known_at(moment):
    return {"known_ts": moment, "event_ts": moment}


@given(seed=SEEDS, later_seed=SEEDS, shift=DAYS_OF_AS_OF)
@example(seed=0, later_seed=1, shift=0)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_events_known_at_or_after_as_of_change_nothing(tmp_path, seed, later_seed, shift):
    as_of = day(shift)
    events = [(table, row) for table, row in _history(Random(seed)) if row["known_ts"] < as_of]
    later = list(_known_later(Random(later_seed), events, as_of))
    assert all(row["known_ts"] >= as_of for _, row in later)
    assert _features(tmp_path / "before", events, as_of) == _features(tmp_path / "after", events + later, as_of)


@pytest.mark.parametrize("view", HISTORY_VIEWS)
def test_an_event_known_a_microsecond_before_as_of_counts(tmp_path, view):
    tables = {
        "bureau": "bureau",
        "previous_application": "previous_application",
        "installments": "installments_payments",
        "pos_cash": "POS_CASH_balance",
        "credit_card": "credit_card_balance",
    }
    table, count = tables[view], next(one.name for one in load_catalogue().view(view).features if one.sql == "count(*)")
    known = T0 - timedelta(microseconds=1)
    assert features_of(view, tmp_path / "before", [(table, event(table, known))])[count] == 1
    assert features_of(view, tmp_path / "at", [(table, event(table, T0))])[count] == 0


def test_the_application_counts_from_its_own_moment(tmp_path):
    events = [("application", event("application", 0, AMT_CREDIT=4.5))]
    assert features_of("application", tmp_path, events, T0)["amt_credit"] == 4.5
    assert features_of("application", tmp_path, events, T0 - timedelta(microseconds=1))["amt_credit"] is None


def test_two_moments_of_one_client_do_not_mix(tmp_path):
    clients = range(CLIENT, CLIENT + 3)
    paths = write_events(tmp_path, [item for client in clients for item in random_history(Random(client), client)])
    pairs = [(client, day(shift)) for client in clients for shift in (0, 150)]
    for view in VIEWS:
        together = compute(view, paths, spine(*pairs)).to_pylist()
        assert together == [row for pair in pairs for row in compute(view, paths, spine(pair)).to_pylist()]


@pytest.mark.parametrize("view", VIEWS)
def test_every_event_table_of_a_view_carries_the_time_it_was_known(tmp_path, view):
    paths = write_events(tmp_path, [])
    assert all("known_ts" in pq.read_schema(paths[table]).names for table in event_tables(load_catalogue().view(view)))
