from itertools import permutations
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from event_files import CLIENT, T0, compute, day, event, features_of, random_history, spine, write_events

from credit.errors import DataError
from feature_repo.aggregates.compute import compute_view, view_schema
from feature_repo.catalogue import View, load_catalogue

VIEWS = load_catalogue().names
CLIENTS = range(CLIENT, CLIENT + 30)


@pytest.fixture(scope="module")
def events():
    draw = Random(5)
    return [item for client in CLIENTS for item in random_history(draw, client, size=8)]


@pytest.fixture(scope="module")
def paths(events, tmp_path_factory):
    return write_events(tmp_path_factory.mktemp("events"), events)


@pytest.mark.parametrize("name", VIEWS)
def test_every_client_of_the_spine_gets_one_row_in_spine_order_and_catalogue_types(name, paths):
    pairs = [(client, T0) for client in (CLIENT + 3, 1, CLIENT, 2)]
    table = compute(name, paths, spine(*pairs))
    assert [(row["SK_ID_CURR"], row["as_of"]) for row in table.to_pylist()] == pairs
    assert table.schema == view_schema(load_catalogue().view(name))
    stranger = table.to_pylist()[1]
    zeros = {feature.name for feature in load_catalogue().view(name).features if feature.empty == 0}
    assert {column for column, value in stranger.items() if value == 0} == zeros
    assert all(value is None for column, value in stranger.items() if column not in zeros | {"SK_ID_CURR", "as_of"})


@pytest.mark.parametrize("name", VIEWS)
def test_the_same_bits_whatever_the_row_order_threads_and_company(name, events, paths, tmp_path):
    pairs = [(client, day(shift)) for client in CLIENTS for shift in (0, 100)]
    expected = compute(name, paths, spine(*pairs), threads=1)
    shuffled = list(events)
    Random(1).shuffle(shuffled)
    others = write_events(tmp_path, shuffled, row_group=40)
    assert compute(name, others, spine(*pairs), threads=4).equals(expected)
    for index in (0, 7, 31):
        assert compute(name, others, spine(pairs[index])).equals(expected.slice(index, 1))


@pytest.mark.parametrize("name", VIEWS)
def test_an_empty_spine_gives_an_empty_table(name, paths):
    assert compute(name, paths, spine()).schema == view_schema(load_catalogue().view(name))


@pytest.mark.parametrize(("days", "served"), [(-100, -100), (-1_826, -1_826), (-9_000, -1_826), (365_243, -1_826)])
def test_a_decision_cannot_tell_pensioners_from_the_long_employed(days, served, tmp_path):
    events = [("application", event("application", 0, DAYS_EMPLOYED=days))]
    assert features_of("application", tmp_path / "a", events)["days_employed"] == served
    assert features_of("demographics", tmp_path / "b", events)["flag_not_employed"] == (days == 365_243)


@pytest.mark.parametrize("name", ["XNA", "Other", "Business Entity Type 3", "Bank"])
def test_an_employer_without_a_line_of_business_is_null(name, tmp_path):
    events = [("application", event("application", 0, ORGANIZATION_TYPE=name))]
    assert features_of("application", tmp_path, events)["organization_type"] == (name if name == "Bank" else None)


def test_a_newer_application_replaces_the_older_once_it_is_made(tmp_path):
    forms = [(0, 4.5), (50, 9.0)]
    events = [("application", event("application", 0, t0=day(at), AMT_CREDIT=amount)) for at, amount in forms]
    assert features_of("application", tmp_path, events, day(49))["amt_credit"] == 4.5
    assert features_of("application", tmp_path, events, day(50))["amt_credit"] == 9.0


def _instalment(known: float, **values: float | None) -> tuple[str, dict[str, object]]:
    fixed = {"SK_ID_PREV": 1, "NUM_INSTALMENT_NUMBER": 1, "DAYS_INSTALMENT": -40.0, "AMT_INSTALMENT": 90.0}
    return "installments_payments", event("installments_payments", known, **(fixed | values))


def test_an_early_payment_is_not_late(tmp_path):
    features = features_of("installments", tmp_path, [_instalment(-55, DAYS_ENTRY_PAYMENT=-55.0, AMT_PAYMENT=90.0)])
    assert (features["inst_late_share"], features["inst_days_late_max"]) == (0, 0)
    assert (features["inst_days_early_mean"], features["inst_days_since_payment"]) == (15, 55)


def test_part_payments_are_one_instalment_paid_in_full(tmp_path):
    parts = [_instalment(at, DAYS_ENTRY_PAYMENT=float(at), AMT_PAYMENT=45.0) for at in (-42, -37)]
    features = features_of("installments", tmp_path, [_instalment(-40), *parts])
    assert (features["inst_count"], features["inst_underpaid_share"], features["inst_paid_ratio"]) == (1, 0, 1)
    assert features["inst_days_late_max"] == 3


def test_an_open_instalment_grows_late_until_it_is_paid(tmp_path):
    events = [_instalment(-40), _instalment(5, DAYS_ENTRY_PAYMENT=5.0, AMT_PAYMENT=90.0)]
    before, after = (
        features_of("installments", tmp_path, events),
        features_of("installments", tmp_path, events, day(90)),
    )
    assert (before["inst_overdue_count"], before["inst_overdue_sum"], before["inst_days_overdue_max"]) == (1, 90, 40)
    assert before["inst_days_late_max"] == 40
    assert (after["inst_overdue_count"], after["inst_overdue_sum"], after["inst_days_overdue_max"]) == (0, 0, 0)
    assert after["inst_days_late_max"] == 45


def test_a_loan_runs_until_its_end_is_known(tmp_path):
    fixed = {"SK_ID_PREV": 1, "DAYS_DECISION": -100, "NAME_CONTRACT_STATUS": "Approved"}
    events = [
        ("previous_application", event("previous_application", -100, **fixed, DAYS_LAST_DUE=365_243.0)),
        ("previous_application", event("previous_application", 30, **fixed, DAYS_LAST_DUE=30.0)),
    ]
    running = [features_of("previous_application", tmp_path, events, day(at))["prev_running_count"] for at in (0, 31)]
    assert running == [1, 0]


def test_amounts_of_other_currencies_are_not_added_but_their_ratio_counts(tmp_path):
    amounts = [("currency 1", 100.0, 10.0), ("currency 2", 1_000.0, 900.0)]
    events = [
        ("bureau", event("bureau", -9, SK_ID_BUREAU=key, CREDIT_CURRENCY=currency, AMT_CREDIT_SUM=credit,
                         AMT_CREDIT_SUM_DEBT=debt, DAYS_CREDIT=-9))
        for key, (currency, credit, debt) in enumerate(amounts)
    ]  # fmt: skip
    features = features_of("bureau", tmp_path, events)
    assert (features["bureau_debt_sum"], features["bureau_credit_count"]) == (10, 2)
    assert features["bureau_debt_ratio_max"] == pytest.approx(0.9)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_sums_and_means_are_exact_in_any_order_of_rows(order, tmp_path):
    """In double precision, these sums depend on the order in their third digit."""
    debts = [(1e8, 1.0), (0.001, 10_000.0), (-1e8, 1.0)]
    events = [
        ("bureau", event("bureau", -9, SK_ID_BUREAU=key, CREDIT_CURRENCY="currency 1", DAYS_CREDIT=-9,
                         AMT_CREDIT_SUM_DEBT=debts[key][0], AMT_CREDIT_SUM=debts[key][1]))
        for key in order
    ]  # fmt: skip
    features = features_of("bureau", tmp_path, events)
    assert features["bureau_debt_sum"] == np.float32(0.001)
    assert features["bureau_debt_ratio_mean"] == np.float32(1e-7 / 3)


def test_an_absurd_amount_does_not_stop_a_build(tmp_path):
    """Products of the largest amounts that fit are still computed."""
    loan = {"SK_ID_PREV": 1, "DAYS_DECISION": -3_000, "NAME_CONTRACT_STATUS": "Approved", "DAYS_LAST_DUE": 365_243.0}
    terms = {"AMT_ANNUITY": 9e14, "CNT_PAYMENT": 60.0, "DAYS_LAST_DUE_1ST_VERSION": 1_000.0}
    due = {"SK_ID_PREV": 1, "DAYS_INSTALMENT": -200.0, "AMT_INSTALMENT": 9e14}
    events = [
        ("previous_application", event("previous_application", -2_999, **loan, **terms)),
        ("installments_payments", event("installments_payments", -200, **due)),
    ]
    features = features_of("installments", tmp_path / "a", events)
    assert features["inst_debt_sum"] == np.float32(60 * 9e14)
    assert features["inst_days_late_weighted"] == features["inst_loan_days_late_max_1y"] == 200
    features = features_of("previous_application", tmp_path / "b", events)
    assert features["prev_running_remaining_sum"] == np.float32(34 * 9e14)


def test_division_by_zero_nan_and_infinity_are_null(tmp_path):
    base = load_catalogue().view("bureau")
    broken = ("1.0::DOUBLE / 0", "'nan'::DOUBLE", "-'inf'::DOUBLE", "1e300::DOUBLE", "2.5::DOUBLE")
    features = tuple(
        base.features[0].model_copy(update={"name": f"f{index}", "type": "float32", "sql": sql, "empty": None})
        for index, sql in enumerate(broken)
    )
    view = View.model_validate(base.model_dump() | {"features": [one.model_dump() for one in features]})
    paths = write_events(tmp_path, [("bureau", event("bureau", -1, DAYS_CREDIT=-1))])
    row = compute_view(view, paths, spine((CLIENT, T0))).to_pylist()[0]
    assert [row[f"f{index}"] for index in range(5)] == [None, None, None, None, 2.5]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (spine((CLIENT, T0), (CLIENT + 1, T0), (CLIENT, T0)), f"repeats 1 rows(.|\n)*client {CLIENT} at 2024-03-14"),
        (pa.table({"SK_ID_CURR": [CLIENT]}), "has the columns SK_ID_CURR"),
        (pa.table({"SK_ID_CURR": ["x"], "as_of": [T0]}), "has the columns SK_ID_CURR"),
        (pa.table({"SK_ID_CURR": [CLIENT, None], "as_of": [T0, T0]}), "nulls in SK_ID_CURR"),
    ],
)
def test_a_wrong_spine_is_refused(rows, problem, paths):
    with pytest.raises(DataError, match=problem):
        compute("bureau", paths, rows)
