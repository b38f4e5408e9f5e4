"""The generated world: time invariants, later lives, joint structure and the default process."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from feature_repo.datagen.chunk import build_chunk
from feature_repo.datagen.clients import AS_OF_NOW, CHUNK_CLIENTS
from feature_repo.datagen.columns import labels, numbers, stacked

CHUNKS, SEED = 6, 11


@pytest.fixture(scope="module")
def chunks():
    return [build_chunk(SEED, number, CHUNKS * CHUNK_CLIENTS) for number in range(CHUNKS)]


def joined(tables):
    whole = tables[0]
    for table in tables[1:]:
        whole = stacked(whole, table)
    return whole


@pytest.fixture(scope="module")
def tables(chunks):
    return {name: joined([chunk.tables[name] for chunk in chunks]) for name in chunks[0].tables}


@pytest.fixture(scope="module")
def later(chunks):
    return {name: joined([chunk.later[name] for chunk in chunks]) for name in chunks[0].later}


def texts(table, name):
    column = labels(table, name)
    return np.array([*column.names, ""], dtype=object)[column.codes]


def test_closed_credits_never_end_in_the_future(tables):
    closed = texts(tables["bureau"], "CREDIT_ACTIVE") == "Closed"
    ends = numbers(tables["bureau"], "DAYS_ENDDATE_FACT")[closed]
    assert closed.sum() > 1_000
    assert (ends <= 0).all()


def test_updates_never_precede_the_opening_nor_follow_t0(tables):
    update = numbers(tables["bureau"], "DAYS_CREDIT_UPDATE")
    assert (update >= numbers(tables["bureau"], "DAYS_CREDIT")).all()
    assert (update <= 0).all()


def test_payments_are_never_dated_after_the_application(tables):
    paid = numbers(tables["installments_payments"], "DAYS_ENTRY_PAYMENT")
    due = numbers(tables["installments_payments"], "DAYS_INSTALMENT")
    assert np.nanmax(paid) < 0
    assert due.max() < 0
    amount = numbers(tables["installments_payments"], "AMT_PAYMENT")
    assert (np.isnan(paid) == np.isnan(amount)).all()
    assert np.isnan(paid).any()


def test_histories_start_eight_years_before_and_end_at_t0(tables):
    for name, column in (("bureau", "DAYS_CREDIT"), ("previous_application", "DAYS_DECISION")):
        days = numbers(tables[name], column)
        assert days.min() >= -2922
        assert days.max() <= 0
    assert numbers(tables["installments_payments"], "DAYS_INSTALMENT").min() >= -2922
    for name, last in (("bureau_balance", 0), ("POS_CASH_balance", -1), ("credit_card_balance", -1)):
        months = numbers(tables[name], "MONTHS_BALANCE")
        assert (months.min() >= -96, months.max()) == (True, last)


def test_nothing_later_is_known_before_t0_or_after_the_present(later):
    assert AS_OF_NOW.year == 2025
    longest = (np.datetime64("2025-07-01") - np.datetime64("2022-01-03")).astype(int)
    update = numbers(later["bureau"], "DAYS_CREDIT_UPDATE")
    assert (update.min() > 0, update.max() <= longest) == (True, True)
    paid = numbers(later["installments_payments"], "DAYS_ENTRY_PAYMENT")
    known = np.where(np.isnan(paid), numbers(later["installments_payments"], "DAYS_INSTALMENT"), paid)
    assert (known.min() >= 0, known.max() <= longest) == (True, True)
    assert numbers(later["POS_CASH_balance"], "MONTHS_BALANCE").min() >= 0
    assert numbers(later["credit_card_balance"], "MONTHS_BALANCE").min() >= 0
    assert numbers(later["bureau_balance"], "MONTHS_BALANCE").min() > 0


def test_most_clients_live_on(tables, later):
    clients = set().union(*(later[name]["SK_ID_CURR"] for name in ("bureau", "installments_payments")))
    assert 0.8 < len(clients) / (CHUNKS * CHUNK_CLIENTS) < 1
    changed = set(later["previous_application"]["SK_ID_PREV"]) & set(tables["previous_application"]["SK_ID_PREV"])
    assert len(changed) > 100
    updated = set(later["bureau"]["SK_ID_BUREAU"]) & set(tables["bureau"]["SK_ID_BUREAU"])
    assert len(updated) > 1_000


def test_running_loans_end_later_with_their_final_state(tables, later):
    before = dict(
        zip(
            tables["previous_application"]["SK_ID_PREV"],
            numbers(tables["previous_application"], "DAYS_TERMINATION"),
            strict=True,
        )
    )
    rows = zip(
        later["previous_application"]["SK_ID_PREV"],
        numbers(later["previous_application"], "DAYS_LAST_DUE"),
        strict=True,
    )
    shared = [(before[loan], last_due) for loan, last_due in rows if loan in before]
    assert all(termination == 365_243 for termination, _ in shared)
    assert all(last_due < 365_243 for _, last_due in shared)


def test_the_form_keeps_its_joint_structure(tables):
    form = tables["application_train"]
    pensioner = texts(form, "NAME_INCOME_TYPE")
    sentinel = numbers(form, "DAYS_EMPLOYED") == 365_243
    assert 0.15 < sentinel.mean() < 0.21
    assert set(pensioner[sentinel]) <= {"Pensioner", "Unemployed"}
    assert (texts(form, "ORGANIZATION_TYPE")[sentinel] == "XNA").all()
    assert (texts(form, "OCCUPATION_TYPE")[sentinel] == "").all()
    assert (numbers(form, "FLAG_EMP_PHONE")[sentinel] == 0).all()
    no_car = texts(form, "FLAG_OWN_CAR") == "N"
    assert (np.isnan(numbers(form, "OWN_CAR_AGE")) == no_car).all()
    no_request = np.isnan(numbers(form, "AMT_REQ_CREDIT_BUREAU_YEAR"))
    assert np.isnan(numbers(form, "EXT_SOURCE_3"))[no_request].all()
    assert (np.isnan(numbers(form, "APARTMENTS_AVG")) == np.isnan(numbers(form, "APARTMENTS_MEDI"))).all()


def test_amounts_are_multiples_of_the_unit_and_revolving_loans_pay_a_twentieth(tables):
    form = tables["application_train"]
    credit, annuity = numbers(form, "AMT_CREDIT"), numbers(form, "AMT_ANNUITY")
    assert np.allclose(credit / 4.5, np.round(credit / 4.5))
    revolving = (texts(form, "NAME_CONTRACT_TYPE") == "Revolving loans") & ~np.isnan(annuity)
    assert 0.07 < revolving.mean() < 0.13
    assert np.allclose(annuity[revolving], credit[revolving] / 20)


def test_outcomes_follow_the_true_pd(chunks, tables):
    oracle = {}
    for chunk in chunks:
        oracle |= dict(zip(chunk.oracle["SK_ID_CURR"], chunk.oracle["PD"], strict=True))
    form = tables["application_train"]
    pd = np.array([oracle[client] for client in form["SK_ID_CURR"]])
    target = numbers(form, "TARGET").astype(int)
    spread = 4 * np.sqrt((pd * (1 - pd)).sum()) / pd.size
    assert target.mean() == pytest.approx(pd.mean(), abs=spread)
    assert pd.mean() == pytest.approx(0.0807, abs=0.008)
    assert 0.77 < roc_auc_score(target, pd) < 0.84
    for name in ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3"):
        score = numbers(form, name)
        present = ~np.isnan(score)
        assert 0.62 < roc_auc_score(target[present], -score[present]) < 0.72


def test_defaulters_pay_late_only_after_t0(chunks):
    late = {}
    for target in (0, 1):
        shares = []
        for chunk in chunks:
            form, later = chunk.tables["application_train"], chunk.later["installments_payments"]
            clients = form["SK_ID_CURR"][numbers(form, "TARGET") == target]
            mine = np.isin(later["SK_ID_CURR"], clients)
            days = numbers(later, "DAYS_ENTRY_PAYMENT")[mine] - numbers(later, "DAYS_INSTALMENT")[mine]
            shares.append((~(days <= 0)).mean())
        late[target] = np.mean(shares)
    assert late[1] > 2 * late[0]
