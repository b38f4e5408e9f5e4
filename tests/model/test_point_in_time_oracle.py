"""Features against a second, plain implementation: Python loops over the rows, one spine row at a time."""

from datetime import timedelta
from itertools import groupby
from random import Random
from statistics import fmean

import pytest
from event_files import CLIENT, T0, compute, day, random_history, spine, write_events

NONE = 365_243.0
CLIENTS = [CLIENT + index for index in range(25)]
SHIFTS = (-250.4, 0, 0.3, 180)


@pytest.fixture(scope="module")
def events():
    draw = Random(11)
    return [item for client in CLIENTS for item in random_history(draw, client, size=7)]


@pytest.fixture(scope="module")
def pairs():
    return [(client, day(shift)) for client in CLIENTS for shift in SHIFTS]


@pytest.fixture(scope="module")
def paths(events, tmp_path_factory):
    return write_events(tmp_path_factory.mktemp("events"), events)


def visible(events, table, client, as_of):
    return [row for kind, row in events if (kind, row["SK_ID_CURR"]) == (table, client) and row["known_ts"] < as_of]


def newest(rows, key):
    return list({row[key]: row for row in sorted(rows, key=lambda row: row["known_ts"])}.values())


def days_since(as_of, offset):
    return (as_of - (T0 + timedelta(days=offset))) // timedelta(days=1)


def mean(values):
    present = [float(value) for value in values if value is not None]
    return fmean(present) if present else None


def largest(values):
    return max((value for value in values if value is not None), default=None)


def smallest(values):
    return min((value for value in values if value is not None), default=None)


def total(values):
    present = [value for value in values if value is not None]
    return sum(present) if present else None


def quotient(top, bottom):
    return None if top is None or not bottom or bottom <= 0 else top / bottom


def latest(rows, key):
    return sorted(rows, key=lambda row: (row["event_ts"], row[key]), reverse=True)


def bureau(events, client, as_of):
    rows = latest(newest(visible(events, "bureau", client, as_of), "SK_ID_BUREAU"), "SK_ID_BUREAU")
    ago = [days_since(as_of, row["DAYS_CREDIT"]) for row in rows]
    ratio = [quotient(row["AMT_CREDIT_SUM_DEBT"], row["AMT_CREDIT_SUM"]) for row in rows]
    active = [row["CREDIT_ACTIVE"] == "Active" for row in rows]
    home = [row for row in rows if row["CREDIT_CURRENCY"] == "currency 1"]
    ends = [
        -days_since(as_of, row["DAYS_CREDIT_ENDDATE"])
        for row in rows
        if row["CREDIT_ACTIVE"] == "Active" and (row["DAYS_CREDIT_ENDDATE"] or NONE) <= 10_000
    ]
    debt, credit = total(row["AMT_CREDIT_SUM_DEBT"] for row in home), total(row["AMT_CREDIT_SUM"] for row in home)
    months = visible(events, "bureau_balance", client, as_of)
    number = as_of.year * 12 + as_of.month - T0.year * 12 - T0.month
    recent = [row for row in months if number - row["MONTHS_BALANCE"] <= 12]
    grades = [grade(row) for row in months]
    return {
        "bureau_credit_count": len(rows),
        "bureau_credit_count_1y": sum(days <= 365 for days in ago),
        "bureau_active_count": sum(active),
        "bureau_active_count_1y": sum(one and days <= 365 for one, days in zip(active, ago, strict=True)),
        "bureau_closed_share": mean(row["CREDIT_ACTIVE"] == "Closed" for row in rows),
        "bureau_days_since_credit_min": smallest(ago),
        "bureau_days_since_credit_mean_last_3": mean(ago[:3]),
        "bureau_days_since_active_min": smallest(days for days, one in zip(ago, active, strict=True) if one),
        "bureau_days_between_credits": (max(ago) - min(ago)) / (len(ago) - 1) if len(ago) > 1 else None,
        "bureau_days_to_end_active_max": largest(ends),
        "bureau_days_to_end_active_mean": mean(ends),
        "bureau_debt_ratio_max": largest(ratio),
        "bureau_debt_ratio_mean": mean(ratio),
        "bureau_debt_ratio_last": ratio[0] if ratio else None,
        "bureau_debt_ratio_mean_last_3": mean(ratio[:3]),
        "bureau_debt_ratio_max_1y": largest(one for one, days in zip(ratio, ago, strict=True) if days <= 365),
        "bureau_debt_ratio_active_mean": mean(one for one, on in zip(ratio, active, strict=True) if on),
        "bureau_debt_to_credit": quotient(debt, credit),
        "bureau_debt_sum": debt,
        "bureau_repaid_active_min": smallest(
            row["AMT_CREDIT_SUM"] - row["AMT_CREDIT_SUM_DEBT"]
            for row in home
            if row["CREDIT_ACTIVE"] == "Active" and None not in (row["AMT_CREDIT_SUM"], row["AMT_CREDIT_SUM_DEBT"])
        ),
        "bureau_days_since_close_min": smallest(
            days_since(as_of, row["DAYS_ENDDATE_FACT"]) for row in rows if row["DAYS_ENDDATE_FACT"] is not None
        ),
        "bureau_overdue_sum": total(row["AMT_CREDIT_SUM_OVERDUE"] for row in home),
        "bureau_card_share": mean(row["CREDIT_TYPE"] == "Credit card" for row in rows),
        "bureau_type_count": len({row["CREDIT_TYPE"] for row in rows}),
        "bureau_type_last": rows[0]["CREDIT_TYPE"] if rows else None,
        "bureau_month_count": len(months),
        "bureau_month_oldest": largest(number - row["MONTHS_BALANCE"] for row in months),
        "bureau_month_past_due_share": mean(None if one is None else one > 0 for one in grades),
        "bureau_month_past_due_max_1y": largest(grade(row) for row in recent),
    }


def grade(row):
    return None if row["STATUS"] == "X" else 0 if row["STATUS"] == "C" else int(row["STATUS"])


def previous_application(events, client, as_of):
    rows = latest(newest(visible(events, "previous_application", client, as_of), "SK_ID_PREV"), "SK_ID_PREV")
    ago = [days_since(as_of, row["DAYS_DECISION"]) for row in rows]
    status = [row["NAME_CONTRACT_STATUS"] for row in rows]
    running = [row for row in rows if row["DAYS_LAST_DUE"] == NONE and row["NAME_CONTRACT_STATUS"] == "Approved"]
    planned = [
        (row, -days_since(as_of, row["DAYS_LAST_DUE_1ST_VERSION"]))
        for row in running
        if row["DAYS_LAST_DUE_1ST_VERSION"] not in (None, NONE)
    ]
    early = [
        row["DAYS_LAST_DUE_1ST_VERSION"] - row["DAYS_LAST_DUE"]
        for row in rows
        if {row["DAYS_LAST_DUE_1ST_VERSION"], row["DAYS_LAST_DUE"]}.isdisjoint({None, NONE})
    ]
    return {
        "prev_application_count": len(rows),
        "prev_application_count_90d": sum(days <= 90 for days in ago),
        "prev_days_since_decision_min": smallest(ago),
        "prev_days_since_refused_min": smallest(d for d, one in zip(ago, status, strict=True) if one == "Refused"),
        "prev_approved_share": mean(one == "Approved" for one in status),
        "prev_approved_share_last_3": mean(one == "Approved" for one in status[:3]),
        "prev_refused_share_last_5": mean(one == "Refused" for one in status[:5]),
        "prev_refused_share_1y": mean(one == "Refused" for one, d in zip(status, ago, strict=True) if d <= 365),
        "prev_reject_hc_share": mean(row["CODE_REJECT_REASON"] == "HC" for row in rows),
        "prev_status_last": status[0] if rows else None,
        "prev_product_combination_last": rows[0]["PRODUCT_COMBINATION"] if rows else None,
        "prev_credit_last": rows[0]["AMT_CREDIT"] if rows else None,
        "prev_annuity_mean_last_3": mean(row["AMT_ANNUITY"] for row in rows[:3]),
        "prev_asked_to_granted_mean": mean(quotient(row["AMT_APPLICATION"], row["AMT_CREDIT"]) for row in rows),
        "prev_payment_rate_mean_last_5": mean(quotient(row["AMT_ANNUITY"], row["AMT_CREDIT"]) for row in rows[:5]),
        "prev_down_payment_rate_mean": mean(row["RATE_DOWN_PAYMENT"] for row in rows),
        "prev_running_count": len(running),
        "prev_running_annuity_sum": total(row["AMT_ANNUITY"] for row in running),
        "prev_running_days_to_end_max": largest(days for _, days in planned),
        "prev_running_remaining_sum": total(
            None if None in (row["AMT_ANNUITY"], left(row, days)) else row["AMT_ANNUITY"] * left(row, days)
            for row, days in planned
        ),
        "prev_days_ended_early_mean": mean(early),
    }


def left(row, days):
    if days < 0:
        return 0
    return None if row["CNT_PAYMENT"] is None else min(-(-days // 30), int(row["CNT_PAYMENT"]))


def installments(events, client, as_of):
    parts = visible(events, "installments_payments", client, as_of)
    names = ("SK_ID_PREV", "NUM_INSTALMENT_VERSION", "NUM_INSTALMENT_NUMBER")
    ordered = sorted(parts, key=lambda row: [row[name] for name in names])
    groups = [instalment(list(rows), as_of) for _, rows in groupby(ordered, lambda row: [row[n] for n in names])]
    groups.sort(key=lambda one: (-one["ago"], *one["key"]), reverse=True)
    year = [one for one in groups if one["ago"] <= 365]
    overdue = [one for one in groups if one["open"] and one["late"] > 0]
    return {
        "inst_count": len(groups),
        "inst_count_90d": sum(one["ago"] <= 90 for one in groups),
        "inst_loan_count": len({one["key"][0] for one in groups}),
        "inst_days_since_payment": smallest(one["since_payment"] for one in groups),
        "inst_late_share": mean(one["late"] > 0 for one in groups),
        "inst_late_share_1y": mean(one["late"] > 0 for one in year),
        "inst_late_share_last_5": mean(one["late"] > 0 for one in groups[:5]),
        "inst_days_late_mean_last_5": mean(one["late"] for one in groups[:5]),
        "inst_days_late_max_90d": largest(one["late"] for one in groups if one["ago"] <= 90),
        "inst_late_over_30d_count": sum(one["late"] > 30 for one in groups),
        "inst_days_late_weighted": quotient(sum(o["late"] * o["due"] for o in groups), sum(o["due"] for o in groups)),
        "inst_days_early_mean": mean(one["early"] for one in groups),
        "inst_paid_ratio_1y": quotient(sum(one["paid"] for one in year), sum(one["due"] for one in year)),
        "inst_paid_ratio_min": smallest(quotient(one["paid"], one["due"]) for one in groups),
        "inst_underpaid_share": mean(one["paid"] < one["due"] - 1e-6 for one in groups),
        "inst_shortfall_mean": mean(one["due"] - one["paid"] for one in groups),
        "inst_paid_sum": total(one["paid"] for one in groups),
        "inst_overdue_count": len(overdue),
        "inst_overdue_sum": sum(one["due"] for one in overdue) if groups else None,
        "inst_days_overdue_max": max((one["late"] for one in overdue), default=0) if groups else None,
    }


def instalment(parts, as_of):
    ago = days_since(as_of, parts[0]["DAYS_INSTALMENT"])
    payments = [row for row in parts if row["DAYS_ENTRY_PAYMENT"] is not None]
    since = min((days_since(as_of, row["DAYS_ENTRY_PAYMENT"]) for row in payments), default=None)
    return {
        "key": (parts[0]["SK_ID_PREV"], parts[0]["NUM_INSTALMENT_VERSION"], parts[0]["NUM_INSTALMENT_NUMBER"]),
        "ago": ago,
        "since_payment": since,
        "open": since is None,
        "late": max(0, ago if since is None else ago - since),
        "early": None if since is None else max(0, since - ago),
        "due": parts[0]["AMT_INSTALMENT"],
        "paid": sum(row["AMT_PAYMENT"] for row in payments),
    }


@pytest.mark.parametrize("oracle", [bureau, previous_application, installments])
def test_features_equal_a_plain_recomputation(oracle, events, pairs, paths):
    computed = compute(oracle.__name__, paths, spine(*pairs)).to_pylist()
    seen = {}
    for (client, as_of), row in zip(pairs, computed, strict=True):
        for name, value in oracle(events, client, as_of).items():
            expected = value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-6)
            assert row[name] == expected, (client, as_of, name)
            seen.setdefault(name, set()).add(value)
    assert all(len(values) > 1 for values in seen.values()), "each feature must vary, or it was not tested"


def test_the_oracle_covers_the_tricky_features(events):
    covered = {name for oracle in (bureau, previous_application, installments) for name in oracle(events, 0, T0)}
    assert len(covered) >= 60
