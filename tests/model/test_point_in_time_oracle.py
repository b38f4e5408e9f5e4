"""Features against a second, plain implementation: Python loops over the rows, one spine row at a time."""

from itertools import groupby
from random import Random

import pytest
from event_files import CLIENT, T0, compute, day, random_history, spine, write_events
from oracle_months import credit_card, pos_cash
from oracle_values import (
    days_since,
    deviation,
    difference,
    largest,
    latest,
    mean,
    month_states,
    newest,
    quotient,
    smallest,
    total,
    visible,
)

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
    months = month_states(events, "bureau_balance", client, as_of, "SK_ID_BUREAU")
    recent = [row for row in months if row["ago"] <= 12]
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
        "bureau_debt_ratio_deviation": deviation(ratio),
        "bureau_days_to_end_mean_1y": mean(
            days_to_end(row, as_of) for row, days in zip(rows, ago, strict=True) if days <= 365
        ),
        "bureau_term_left_active_mean": mean(term_left(row, as_of) for row in rows if row["CREDIT_ACTIVE"] == "Active"),
        "bureau_days_closed_early_mean": mean(
            difference(days_to_end(row, as_of), days_to_close(row, as_of)) for row in rows
        ),
        "bureau_credit_last": rows[0]["AMT_CREDIT_SUM"] if rows and rows[0] in home else None,
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
        "bureau_month_oldest": largest(row["ago"] for row in months),
        "bureau_month_past_due_share": mean(None if one is None else one > 0 for one in grades),
        "bureau_month_past_due_max_1y": largest(grade(row) for row in recent),
    }


def days_to_end(row, as_of):
    end = row["DAYS_CREDIT_ENDDATE"]
    return None if end is None or abs(end) > 10_000 else -days_since(as_of, end)


def days_to_close(row, as_of):
    return None if row["DAYS_ENDDATE_FACT"] is None else -days_since(as_of, row["DAYS_ENDDATE_FACT"])


def term_left(row, as_of):
    left = days_to_end(row, as_of)
    return None if left is None else quotient(max(left, 0), left + days_since(as_of, row["DAYS_CREDIT"]))


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
        "prev_days_between_mean": quotient(max(ago) - min(ago), len(ago) - 1) if len(ago) > 1 else None,
        "prev_days_between_trend": (
            quotient((ago[1] - ago[0]) * (len(ago) - 1), max(ago) - min(ago)) if len(ago) > 1 else None
        ),
        "prev_total_cost_mean": mean(total_cost(row) for row in rows),
    }


def total_cost(row):
    if row["AMT_ANNUITY"] is None or not row["CNT_PAYMENT"]:
        return None
    return quotient(row["AMT_ANNUITY"] * row["CNT_PAYMENT"], row["AMT_CREDIT"])


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
    fresh, older = ([one["late"] for one in year if (one["ago"] <= 90) == new] for new in (True, False))
    return scheduled(events, client, as_of, groups) | {
        "inst_days_late_trend": difference(mean(fresh), mean(older)),
        "inst_loan_days_late_max_1y": largest(
            weighted_delay([one for one in year if one["key"][0] == loan]) for loan in {one["key"][0] for one in year}
        ),
        "inst_shortfall_mean_90d": mean(one["due"] - one["paid"] for one in groups if one["ago"] <= 90),
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


def weighted_delay(instalments):
    return quotient(sum(one["late"] * one["due"] for one in instalments), sum(one["due"] for one in instalments))


def scheduled(events, client, as_of, instalments):
    """What approved previous loans with a schedule still ask for."""
    rows = newest(visible(events, "previous_application", client, as_of), "SK_ID_PREV")
    loans = []
    for row in rows:
        if row["NAME_CONTRACT_STATUS"] == "Approved" and row["CNT_PAYMENT"]:
            own = [one for one in instalments if one["key"][0] == row["SK_ID_PREV"]]
            runs, settled = row["DAYS_LAST_DUE"] == NONE, sum(one["paid"] >= one["due"] - 1e-6 for one in own)
            annuity, debt = row["AMT_ANNUITY"], 0.0 if not runs or row["AMT_ANNUITY"] is not None else None
            if runs and annuity is not None:
                debt = max(annuity * row["CNT_PAYMENT"] - sum(one["paid"] for one in own), 0)
            unpaid = max(row["CNT_PAYMENT"] - settled, 0) if runs else 0
            loans.append((row, annuity, debt, unpaid))
    asked = {month: total(annuity for _, annuity, _, unpaid in loans if unpaid >= month) for month in (1, 6, 13)}
    return {
        "inst_debt_sum": total(debt for _, _, debt, _ in loans),
        "inst_debt_to_credit_max": largest(quotient(debt, row["AMT_CREDIT"]) for row, _, debt, _ in loans),
        "inst_goods_to_debt_min": smallest(quotient(row["AMT_GOODS_PRICE"], debt) for row, _, debt, _ in loans),
        "inst_unpaid_count_max": largest(unpaid for *_, unpaid in loans),
        "inst_unpaid_count_deviation": deviation(unpaid for *_, unpaid in loans),
        "inst_scheduled_1m": (asked[1] or 0) if loans else None,
        "inst_scheduled_13m": (asked[13] or 0) if loans else None,
        "inst_scheduled_6m_to_1m": quotient(asked[6] or 0, asked[1]),
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


ORACLES = (bureau, previous_application, installments, pos_cash, credit_card)


@pytest.mark.parametrize("oracle", ORACLES)
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
    covered = {name for oracle in ORACLES for name in oracle(events, 0, T0)}
    assert len(covered) >= 130
