"""The features of the views of monthly states in plain Python: what the aggregates' SQL must give."""

from oracle_values import (
    difference,
    largest,
    mean,
    month_states,
    quotient,
    relative_changes,
    slope,
    smallest,
    total,
)


def pos_cash(events, client, as_of):
    rows = month_states(events, "POS_CASH_balance", client, as_of, "SK_ID_PREV")
    year = [row for row in rows if row["ago"] <= 12]
    loans = {key: [row for row in rows if row["SK_ID_PREV"] == key] for key in {row["SK_ID_PREV"] for row in rows}}
    newest = [months[-1] for months in loans.values()]
    active = [row for row in newest if row["NAME_CONTRACT_STATUS"] == "Active"]
    last = min(newest, key=lambda row: (row["ago"], -row["SK_ID_PREV"]), default=None)
    term, left = (total(row[name] for row in active) for name in ("CNT_INSTALMENT", "CNT_INSTALMENT_FUTURE"))
    recent, before = ([row["SK_DPD"] for row in year if (row["ago"] <= 3) == new] for new in (True, False))
    return {
        "pos_month_count": len(rows),
        "pos_month_count_1y": len(year),
        "pos_months_since_first": largest(row["ago"] for row in rows),
        "pos_months_since_last": smallest(row["ago"] for row in rows),
        "pos_loan_count": len(loans),
        "pos_active_count": len(active),
        "pos_completed_share": mean(completed(row) for row in newest),
        "pos_completed_count_1y": len({row["SK_ID_PREV"] for row in year if completed(row)}),
        "pos_completed_early_share": mean(ended_early(months) for months in loans.values() if completed(months[-1])),
        "pos_left_active_sum": left,
        "pos_left_active_max": largest(row["CNT_INSTALMENT_FUTURE"] for row in active),
        "pos_left_to_term_active": quotient(left, term),
        "pos_left_last": last and last["CNT_INSTALMENT_FUTURE"],
        "pos_left_mean": mean(row["CNT_INSTALMENT_FUTURE"] for row in rows),
        "pos_left_drop_min": smallest(change for months in loans.values() for _, change in falls(months)),
        "pos_left_drop_min_1y": smallest(one for months in loans.values() for ago, one in falls(months) if ago <= 12),
        "pos_past_due_share": mean(row["SK_DPD"] > 0 for row in rows),
        "pos_past_due_share_90d": mean(row["SK_DPD"] > 0 for row in rows if row["ago"] <= 3),
        "pos_days_past_due_max_1y": largest(row["SK_DPD"] for row in year),
        "pos_days_past_due_trend": difference(mean(recent), mean(before)),
        "pos_days_past_due_tolerant_max": largest(row["SK_DPD_DEF"] for row in rows),
    }


def completed(row):
    return row["NAME_CONTRACT_STATUS"] == "Completed"


def ended_early(months):
    """Whether more than one instalment was left the month before the end; unknown without that figure."""
    before = months[-2]["CNT_INSTALMENT_FUTURE"] if len(months) > 1 else None
    return None if before is None else before > 1


def falls(months):
    """(months ago, relative change) of the instalments left, wherever there is one."""
    for index in range(1, len(months)):
        pair = [months[index - 1]["CNT_INSTALMENT_FUTURE"], months[index]["CNT_INSTALMENT_FUTURE"]]
        for change in relative_changes(pair):
            yield months[index]["ago"], change


def credit_card(events, client, as_of):
    rows = month_states(events, "credit_card_balance", client, as_of, "SK_ID_PREV")
    rows = [row | {"use": quotient(row["AMT_BALANCE"], row["AMT_CREDIT_LIMIT_ACTUAL"])} for row in rows]
    year = [row for row in rows if row["ago"] <= 12]
    recent, before = [row for row in year if row["ago"] <= 3], [row for row in year if row["ago"] > 3]
    newest = {row["SK_ID_PREV"]: row for row in rows}.values()
    asked = [row for row in year if row["AMT_INST_MIN_REGULARITY"]]
    return {
        "card_month_count": len(rows),
        "card_months_since_last": smallest(row["ago"] for row in rows),
        "card_active_count": sum(row["NAME_CONTRACT_STATUS"] == "Active" for row in newest),
        "card_limit_current": total(row["AMT_CREDIT_LIMIT_ACTUAL"] for row in newest),
        "card_balance_current": total(row["AMT_BALANCE"] for row in newest),
        "card_balance_mean": mean(row["AMT_BALANCE"] for row in rows),
        "card_balance_trend": quotient(
            mean(row["AMT_BALANCE"] for row in recent), mean(row["AMT_BALANCE"] for row in before)
        ),
        "card_utilisation_mean": mean(row["use"] for row in rows),
        "card_utilisation_max_1y": largest(row["use"] for row in year),
        "card_utilisation_mean_90d": mean(row["use"] for row in recent),
        "card_utilisation_current": largest(row["use"] for row in newest),
        "card_utilisation_slope_1y": slope([(-row["ago"], row["use"]) for row in year]),
        "card_utilisation_high_share": mean(None if row["use"] is None else row["use"] > 0.9 for row in rows),
        "card_atm_count_mean": mean(row["CNT_DRAWINGS_ATM_CURRENT"] for row in rows),
        "card_atm_count_mean_90d": mean(row["CNT_DRAWINGS_ATM_CURRENT"] for row in recent),
        "card_atm_share": quotient(
            total(row["AMT_DRAWINGS_ATM_CURRENT"] for row in rows), total(row["AMT_DRAWINGS_CURRENT"] for row in rows)
        ),
        "card_drawing_count_max": largest(row["CNT_DRAWINGS_CURRENT"] for row in rows),
        "card_paid_to_minimum_1y": quotient(
            total(row["AMT_PAYMENT_TOTAL_CURRENT"] for row in asked),
            total(row["AMT_INST_MIN_REGULARITY"] for row in asked),
        ),
        "card_below_minimum_share_1y": mean(
            row["AMT_PAYMENT_TOTAL_CURRENT"] < row["AMT_INST_MIN_REGULARITY"] for row in asked
        ),
        "card_instalments_matured_max": largest(row["CNT_INSTALMENT_MATURE_CUM"] for row in rows),
        "card_past_due_share_1y": mean(row["SK_DPD"] > 0 for row in year),
        "card_days_past_due_max": largest(row["SK_DPD"] for row in rows),
    }
