-- One row per spine row, loan and month that ended before as_of: the month's newest version known.
WITH known AS (
    SELECT
        s.spine_row,
        p.SK_ID_PREV AS loan,
        (month_number(s.as_of_us) - month_number(epoch_us(p.t0)) - p.MONTHS_BALANCE)::INTEGER AS months_ago,
        p.NAME_CONTRACT_STATUS AS status,
        p.CNT_INSTALMENT::INTEGER AS term,
        p.CNT_INSTALMENT_FUTURE::INTEGER AS instalments_left,
        p.SK_DPD AS days_past_due,
        p.SK_DPD_DEF AS days_past_due_tolerant
    FROM spine s
    JOIN POS_CASH_balance p ON p.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(p.known_ts) < s.as_of_us
    QUALIFY row_number() OVER (PARTITION BY s.spine_row, p.SK_ID_PREV, p.MONTHS_BALANCE ORDER BY p.known_ts DESC) = 1
)
SELECT
    *,
    status = 'Completed' AS completed,
    row_number() OVER of_loan AS recency,
    -- Of the loan's month before.
    lead(instalments_left) OVER of_loan AS earlier_left
FROM known
WINDOW of_loan AS (PARTITION BY spine_row, loan ORDER BY months_ago)
