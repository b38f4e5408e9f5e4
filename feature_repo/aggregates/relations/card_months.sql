-- One row per spine row, card and month that ended before as_of: the month's newest version known.
WITH known AS (
    SELECT
        s.spine_row,
        (month_number(s.as_of_us) - month_number(epoch_us(c.t0)) - c.MONTHS_BALANCE)::INTEGER AS months_ago,
        c.*
    FROM spine s
    JOIN credit_card_balance c ON c.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(c.known_ts) < s.as_of_us
    QUALIFY row_number() OVER (PARTITION BY s.spine_row, c.SK_ID_PREV, c.MONTHS_BALANCE ORDER BY c.known_ts DESC) = 1
)
SELECT
    spine_row,
    SK_ID_PREV AS card,
    months_ago,
    row_number() OVER (PARTITION BY spine_row, SK_ID_PREV ORDER BY months_ago) AS recency,
    NAME_CONTRACT_STATUS = 'Active' AS active,
    amount(AMT_BALANCE) AS balance,
    amount(AMT_CREDIT_LIMIT_ACTUAL) AS credit_limit,
    ratio(AMT_BALANCE, AMT_CREDIT_LIMIT_ACTUAL) AS utilisation,
    CNT_DRAWINGS_ATM_CURRENT::INTEGER AS atm_count,
    amount(AMT_DRAWINGS_ATM_CURRENT) AS atm_amount,
    CNT_DRAWINGS_CURRENT AS drawing_count,
    amount(AMT_DRAWINGS_CURRENT) AS drawn,
    amount(AMT_INST_MIN_REGULARITY) AS minimum,
    amount(AMT_PAYMENT_TOTAL_CURRENT) AS paid,
    CNT_INSTALMENT_MATURE_CUM::INTEGER AS instalments_matured,
    SK_DPD AS days_past_due,
    SK_DPD_DEF AS days_past_due_tolerant
FROM known
