-- One row per spine row and previous application: its newest version known before as_of.
WITH known AS (
    SELECT s.spine_row, whole_days(s.as_of_us, epoch_us(p.t0)) AS shift, p.*
    FROM spine s
    JOIN previous_application p ON p.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(p.known_ts) < s.as_of_us
    QUALIFY row_number() OVER (PARTITION BY s.spine_row, p.SK_ID_PREV ORDER BY p.known_ts DESC) = 1
),
dated AS (
    SELECT
        *,
        NAME_CONTRACT_STATUS = 'Approved' AS approved,
        day_count(DAYS_LAST_DUE_1ST_VERSION) - shift AS days_to_planned_end
    FROM known
)
SELECT
    spine_row,
    SK_ID_PREV AS loan,
    row_number() OVER (PARTITION BY spine_row ORDER BY event_ts DESC, SK_ID_PREV DESC) AS recency,
    shift - DAYS_DECISION AS days_ago,
    approved,
    NAME_CONTRACT_STATUS = 'Refused' AS refused,
    NAME_CONTRACT_STATUS = 'Canceled' AS cancelled,
    -- A last due day that is not known yet means that the loan still runs.
    approved AND coalesce(DAYS_LAST_DUE = 365243, false) AS running,
    NAME_CONTRACT_STATUS AS status,
    NAME_CONTRACT_TYPE AS contract_type,
    NAME_CLIENT_TYPE AS client_type,
    NAME_YIELD_GROUP AS yield_group,
    NAME_GOODS_CATEGORY AS goods_category,
    PRODUCT_COMBINATION AS product_combination,
    CHANNEL_TYPE AS channel,
    CODE_REJECT_REASON AS reject_reason,
    amount(AMT_CREDIT) AS credit,
    amount(AMT_ANNUITY) AS annuity,
    amount(AMT_GOODS_PRICE) AS goods_price,
    CNT_PAYMENT::INTEGER AS payments,
    ratio(AMT_APPLICATION, AMT_CREDIT) AS asked_to_granted,
    ratio(AMT_ANNUITY, AMT_CREDIT) AS payment_rate,
    -- What all payments together come to: 1.2 costs a fifth of the credit.
    ratio(AMT_ANNUITY * nullif(CNT_PAYMENT, 0), AMT_CREDIT) AS total_cost,
    exact(RATE_DOWN_PAYMENT) AS down_payment_rate,
    NFLAG_INSURED_ON_APPROVAL::INTEGER AS insured,
    days_to_planned_end,
    CASE
        WHEN days_to_planned_end < 0 THEN 0
        WHEN days_to_planned_end / 30.0 < CNT_PAYMENT THEN ceil(days_to_planned_end / 30.0)::INTEGER
        WHEN days_to_planned_end IS NOT NULL THEN CNT_PAYMENT::INTEGER
    END AS payments_left,
    day_count(DAYS_LAST_DUE_1ST_VERSION) - day_count(DAYS_LAST_DUE) AS days_ended_early
FROM dated
