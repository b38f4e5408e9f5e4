"""At the application, features equal plain pandas aggregates of the raw CSV files."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from kaggle_tables import random_tables

from feature_repo.aggregates.build import build_views
from feature_repo.aggregates.spine import Spine, online_spine
from feature_repo.catalogue import load_catalogue
from feature_repo.ingest.events import EventStore
from feature_repo.ingest.pipeline import Options, ingest

SENTINEL = 365_243


@pytest.fixture(scope="module", params=[False, True], ids=["as delivered", "with later events"])
def home(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tables = random_tables(200, seed=8, later=request.param)
    if request.param:
        _continue_months(tables)
    raw = tables.write(folder / "raw")
    ingest(raw, folder / "events", Options(buckets=2))
    store = EventStore(folder / "events")
    spine = Spine("t0", lambda bucket: _at_application(store.clients(bucket)))
    build_views(store, spine, folder / "offline", "t0", load_catalogue().views)
    return folder


@pytest.fixture(scope="module")
def raw(home):
    frames = {
        path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in (home / "raw").glob("*.csv")
    }
    months = frames["bureau_balance"].merge(frames["bureau"][["SK_ID_BUREAU", "SK_ID_CURR"]])
    return frames | {"bureau_balance": months}


def _continue_months(tables):
    """Loans and cards have months after T0 too, in arrears."""
    for table in ("POS_CASH_balance", "credit_card_balance"):
        for row in tables.main[table]:
            tables.later[table].append(row | {"MONTHS_BALANCE": row["MONTHS_BALANCE"] + 6, "SK_DPD": 99})


def _at_application(clients):
    return pa.table({"SK_ID_CURR": clients["SK_ID_CURR"], "as_of": clients["t0"]})


def features(home, view):
    frame = ds.dataset(home / "offline" / view / "t0").to_table().to_pandas()
    return frame.set_index("SK_ID_CURR").sort_index()


def agree(computed, expected, empty=np.nan):
    expected = expected.reindex(computed.index).astype(float).fillna(empty)
    np.testing.assert_allclose(computed.astype(float), expected, rtol=1e-5, atol=1e-6, err_msg=str(computed.name))


def test_application_columns_are_the_raw_columns(home, raw):
    rows = pd.concat([raw["application_train"], raw["application_test"]]).set_index("SK_ID_CURR").sort_index()
    computed = features(home, "application")
    assert list(computed.index) == list(rows.index)
    for name in ("amt_credit", "ext_source_1", "ext_source_3", "days_registration", "region_rating_client"):
        agree(computed[name], rows[name.upper()])
    agree(computed["days_employed"], rows["DAYS_EMPLOYED"].replace(SENTINEL, -1826).clip(lower=-1826))
    agree(computed["document_count"], rows[[f"FLAG_DOCUMENT_{number}" for number in range(2, 22)]].sum(axis=1))
    for name in ("name_housing_type", "name_contract_type"):
        assert computed[name].fillna("-").tolist() == rows[name.upper()].fillna("-").tolist()
    assert features(home, "demographics")["days_birth"].tolist() == rows["DAYS_BIRTH"].tolist()


def test_bureau(home, raw):
    computed, rows = features(home, "bureau"), raw["bureau"].copy()
    rows["ratio"] = (rows.AMT_CREDIT_SUM_DEBT / rows.AMT_CREDIT_SUM).where(rows.AMT_CREDIT_SUM > 0)
    rows["active"] = rows.CREDIT_ACTIVE == "Active"
    by = rows.groupby("SK_ID_CURR")
    agree(computed["bureau_credit_count"], by.size(), empty=0)
    agree(computed["bureau_credit_count_1y"], (rows.DAYS_CREDIT >= -365).groupby(rows.SK_ID_CURR).sum(), empty=0)
    agree(computed["bureau_active_count"], by.active.sum(), empty=0)
    agree(computed["bureau_days_since_credit_min"], -by.DAYS_CREDIT.max())
    agree(computed["bureau_days_since_credit_mean"], -by.DAYS_CREDIT.mean())
    agree(computed["bureau_debt_ratio_max"], by.ratio.max())
    agree(computed["bureau_debt_ratio_mean"], by.ratio.mean())
    agree(computed["bureau_debt_ratio_active_max"], rows[rows.active].groupby("SK_ID_CURR").ratio.max())
    home_currency = rows[rows.CREDIT_CURRENCY == "currency 1"].groupby("SK_ID_CURR")
    agree(computed["bureau_debt_sum"], home_currency.AMT_CREDIT_SUM_DEBT.sum(min_count=1))
    agree(computed["bureau_days_since_close_min"], -by.DAYS_ENDDATE_FACT.max())


def test_bureau_months(home, raw):
    computed, rows = features(home, "bureau"), raw["bureau_balance"].copy()
    rows["grade"] = pd.to_numeric(rows.STATUS.replace("C", "0"), errors="coerce")
    by = rows.groupby("SK_ID_CURR")
    agree(computed["bureau_month_count"], by.size(), empty=0)
    agree(computed["bureau_month_oldest"], -by.MONTHS_BALANCE.min())
    agree(computed["bureau_month_past_due_max"], by.grade.max())
    known = rows.dropna(subset="grade")
    agree(computed["bureau_month_past_due_share"], (known.grade > 0).groupby(known.SK_ID_CURR).mean())
    recent = rows[(rows.MONTHS_BALANCE >= -3) & (rows.grade > 0)]
    agree(computed["bureau_month_past_due_count_90d"], recent.groupby("SK_ID_CURR").size(), empty=0)


def test_previous_applications(home, raw):
    computed, rows = features(home, "previous_application"), raw["previous_application"].copy()
    rows["approved"] = rows.NAME_CONTRACT_STATUS == "Approved"
    rows["running"] = rows.approved & (rows.DAYS_LAST_DUE == SENTINEL)
    rows["rate"] = (rows.AMT_ANNUITY / rows.AMT_CREDIT).where(rows.AMT_CREDIT > 0)
    by = rows.groupby("SK_ID_CURR")
    agree(computed["prev_application_count"], by.size(), empty=0)
    agree(computed["prev_approved_share"], by.approved.mean())
    agree(computed["prev_days_since_decision_min"], -by.DAYS_DECISION.max())
    agree(computed["prev_payment_rate_mean"], by.rate.mean())
    agree(computed["prev_annuity_max"], by.AMT_ANNUITY.max())
    agree(computed["prev_running_count"], by.running.sum(), empty=0)
    agree(computed["prev_running_annuity_sum"], rows[rows.running].groupby("SK_ID_CURR").AMT_ANNUITY.sum(min_count=1))
    last = rows.sort_values(["DAYS_DECISION", "SK_ID_PREV"]).groupby("SK_ID_CURR").nth(-1).set_index("SK_ID_CURR")
    agree(computed["prev_credit_last"], last.AMT_CREDIT)
    products = computed["prev_product_combination_last"].dropna()
    assert products.to_dict() == last.PRODUCT_COMBINATION.dropna().to_dict()


def test_instalments(home, raw):
    computed = features(home, "installments")
    keys = ["SK_ID_CURR", "SK_ID_PREV", "NUM_INSTALMENT_VERSION", "NUM_INSTALMENT_NUMBER"]
    rows = (
        raw["installments_payments"]
        .groupby(keys)
        .agg(due=("DAYS_INSTALMENT", "max"), paid=("DAYS_ENTRY_PAYMENT", "max"), amount=("AMT_PAYMENT", "sum"),
             owed=("AMT_INSTALMENT", "max"))
        .reset_index()
    )  # fmt: skip
    rows["late"] = (rows.paid.fillna(0) - rows.due).clip(lower=0)
    rows["is_late"], rows["open"] = rows.late > 0, rows.paid.isna()
    by, year = rows.groupby("SK_ID_CURR"), rows[rows.due >= -365].groupby("SK_ID_CURR")
    agree(computed["inst_count"], by.size(), empty=0)
    agree(computed["inst_late_share"], by.is_late.mean())
    agree(computed["inst_late_share_1y"], year.is_late.mean())
    agree(computed["inst_days_late_max"], by.late.max())
    agree(computed["inst_paid_ratio"], by.amount.sum() / by.owed.sum())
    agree(computed["inst_days_since_payment"], -by.paid.max())
    overdue = rows[rows.open & rows.is_late].groupby("SK_ID_CURR")
    agree(computed["inst_overdue_count"], overdue.size(), empty=0)


def test_what_is_left_of_the_schedules(home, raw):
    computed, loans = features(home, "installments"), raw["previous_application"]
    loans = loans[(loans.NAME_CONTRACT_STATUS == "Approved") & (loans.CNT_PAYMENT.round() > 0)].copy()
    paid = raw["installments_payments"].groupby("SK_ID_PREV").AMT_PAYMENT.sum()
    running = loans.DAYS_LAST_DUE == SENTINEL
    left = loans.AMT_ANNUITY * loans.CNT_PAYMENT.round() - loans.SK_ID_PREV.map(paid).fillna(0)
    loans["debt"] = left.clip(lower=0).where(running, 0)
    by = loans.groupby("SK_ID_CURR")
    agree(computed["inst_debt_sum"], by.debt.sum(min_count=1))
    loans["ratio"] = (loans.debt / loans.AMT_CREDIT).where(loans.AMT_CREDIT > 0)
    agree(computed["inst_debt_to_credit_max"], loans.groupby("SK_ID_CURR").ratio.max())
    asked = loans[running].groupby("SK_ID_CURR").AMT_ANNUITY.sum()
    agree(computed["inst_scheduled_1m"], asked.reindex(by.size().index).fillna(0))


def test_months_of_loans(home, raw):
    computed, rows = features(home, "pos_cash"), raw["POS_CASH_balance"].copy()
    rows["past_due"], rows["completed"] = rows.SK_DPD > 0, rows.NAME_CONTRACT_STATUS == "Completed"
    by, quarter = rows.groupby("SK_ID_CURR"), rows[rows.MONTHS_BALANCE >= -3].groupby("SK_ID_CURR")
    agree(computed["pos_month_count"], by.size(), empty=0)
    agree(computed["pos_months_since_first"], -by.MONTHS_BALANCE.min())
    agree(computed["pos_past_due_share"], by.past_due.mean())
    agree(computed["pos_past_due_share_90d"], quarter.past_due.mean())
    agree(computed["pos_days_past_due_max"], by.SK_DPD.max())
    agree(computed["pos_left_mean"], rows.CNT_INSTALMENT_FUTURE.round().groupby(rows.SK_ID_CURR).mean())
    newest = rows.sort_values("MONTHS_BALANCE").groupby("SK_ID_PREV").nth(-1).groupby("SK_ID_CURR")
    agree(computed["pos_loan_count"], newest.size(), empty=0)
    agree(computed["pos_completed_share"], newest.completed.mean())


def test_months_of_cards(home, raw):
    computed, rows = features(home, "credit_card"), raw["credit_card_balance"].copy()
    rows["use"] = (rows.AMT_BALANCE / rows.AMT_CREDIT_LIMIT_ACTUAL).where(rows.AMT_CREDIT_LIMIT_ACTUAL > 0)
    by, quarter = rows.groupby("SK_ID_CURR"), rows[rows.MONTHS_BALANCE >= -3].groupby("SK_ID_CURR")
    agree(computed["card_month_count"], by.size(), empty=0)
    agree(computed["card_balance_max"], by.AMT_BALANCE.max())
    agree(computed["card_utilisation_max"], by.use.max())
    agree(computed["card_utilisation_mean_90d"], quarter.use.mean())
    agree(computed["card_drawing_count_mean"], by.CNT_DRAWINGS_CURRENT.mean())
    asked = rows[rows.AMT_INST_MIN_REGULARITY > 0].groupby("SK_ID_CURR")
    agree(computed["card_paid_to_minimum"], asked.AMT_PAYMENT_TOTAL_CURRENT.sum() / asked.AMT_INST_MIN_REGULARITY.sum())
    agree(computed["card_days_past_due_max"], by.SK_DPD.max())
    newest = rows.sort_values("MONTHS_BALANCE").groupby("SK_ID_PREV").nth(-1).groupby("SK_ID_CURR")
    agree(computed["card_balance_current"], newest.AMT_BALANCE.sum())


@pytest.mark.parametrize(
    ("view", "count"),
    [("installments", "inst_count"), ("pos_cash", "pos_month_count"), ("credit_card", "card_month_count")],
)
def test_features_of_today_differ_where_life_went_on(home, view, count):
    store = EventStore(home / "events")
    build_views(store, online_spine(store), home / "offline", f"online-{view}", (load_catalogue().view(view),))
    online = ds.dataset(home / "offline" / view / f"online-{view}").to_table().to_pandas().set_index("SK_ID_CURR")
    then = features(home, view)
    changed = (online[count].sort_index() != then[count]).any()
    assert changed == store.meta.lives_on
