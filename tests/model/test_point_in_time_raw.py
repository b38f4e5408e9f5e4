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
    raw = random_tables(200, seed=8, later=request.param).write(folder / "raw")
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
    agree(computed["days_employed"], rows["DAYS_EMPLOYED"].replace(SENTINEL, np.nan))
    agree(computed["document_count"], rows[[f"FLAG_DOCUMENT_{number}" for number in range(2, 22)]].sum(axis=1))
    for name in ("occupation_type", "name_contract_type"):
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


def test_features_of_today_differ_where_life_went_on(home):
    store = EventStore(home / "events")
    build_views(store, online_spine(store), home / "offline", "online", (load_catalogue().view("installments"),))
    online = ds.dataset(home / "offline" / "installments" / "online").to_table().to_pandas().set_index("SK_ID_CURR")
    then = features(home, "installments")
    changed = (online["inst_count"].sort_index() != then["inst_count"]).any()
    assert changed == store.meta.lives_on
