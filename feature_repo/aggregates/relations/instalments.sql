-- One row per spine row and instalment, with the payments known before as_of. Part payments are one instalment.
WITH parts AS (
    SELECT
        s.spine_row, i.SK_ID_PREV, i.NUM_INSTALMENT_VERSION, i.NUM_INSTALMENT_NUMBER, i.AMT_INSTALMENT, i.AMT_PAYMENT,
        whole_days(s.as_of_us, epoch_us(i.t0)) - i.DAYS_INSTALMENT::INTEGER AS days_since_due,
        whole_days(s.as_of_us, epoch_us(i.t0)) - i.DAYS_ENTRY_PAYMENT::INTEGER AS days_since_payment
    FROM spine s
    JOIN installments_payments i ON i.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(i.known_ts) < s.as_of_us
),
grouped AS (
    SELECT
        spine_row, SK_ID_PREV, NUM_INSTALMENT_VERSION, NUM_INSTALMENT_NUMBER,
        max(days_since_due) AS days_since_due,
        min(days_since_payment) AS days_since_payment,
        max(amount(AMT_INSTALMENT)) AS due,
        coalesce(sum(amount(AMT_PAYMENT)), 0) AS paid
    FROM parts
    GROUP BY ALL
)
SELECT
    spine_row,
    SK_ID_PREV AS loan,
    row_number() OVER (
        PARTITION BY spine_row
        ORDER BY days_since_due, SK_ID_PREV DESC, NUM_INSTALMENT_VERSION DESC, NUM_INSTALMENT_NUMBER DESC
    ) AS recency,
    days_since_due AS days_ago,
    days_since_payment,
    days_since_payment IS NULL AS open,
    -- Late by the last payment, or until now while nothing was paid; an early payment is not late.
    greatest(days_since_due - coalesce(days_since_payment, 0), 0)::INTEGER AS days_late,
    CASE WHEN days_since_payment IS NOT NULL THEN greatest(days_since_payment - days_since_due, 0) END AS days_early,
    due,
    paid,
    paid < due AS underpaid,
    ratio(paid, due) AS paid_ratio
FROM grouped
