-- One row per spine row and bureau credit: its newest version known before as_of.
WITH known AS (
    SELECT s.spine_row, whole_days(s.as_of_us, epoch_us(b.t0)) AS shift, b.*
    FROM spine s
    JOIN bureau b ON b.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(b.known_ts) < s.as_of_us
    QUALIFY row_number() OVER (PARTITION BY s.spine_row, b.SK_ID_BUREAU ORDER BY b.known_ts DESC) = 1
)
SELECT
    spine_row,
    row_number() OVER (PARTITION BY spine_row ORDER BY event_ts DESC, SK_ID_BUREAU DESC) AS recency,
    shift - DAYS_CREDIT AS days_ago,
    CREDIT_ACTIVE AS status,
    CREDIT_ACTIVE = 'Active' AS active,
    CREDIT_ACTIVE = 'Closed' AS closed,
    CREDIT_TYPE AS credit_type,
    -- Ends more than 10,000 days away say "no maturity" or are junk.
    CASE WHEN abs(DAYS_CREDIT_ENDDATE) <= 10000 THEN day_count(DAYS_CREDIT_ENDDATE) - shift END AS days_to_end,
    CASE WHEN abs(DAYS_ENDDATE_FACT) <= 10000 THEN shift - day_count(DAYS_ENDDATE_FACT) END AS days_since_close,
    CREDIT_DAY_OVERDUE AS days_overdue,
    CNT_CREDIT_PROLONG AS prolongations,
    -- A ratio is free of the currency; amounts are of one currency only, so that sums mean something.
    ratio(AMT_CREDIT_SUM_DEBT, AMT_CREDIT_SUM) AS debt_ratio,
    ratio(AMT_CREDIT_SUM_DEBT, AMT_CREDIT_SUM_LIMIT) AS limit_use,
    CASE WHEN CREDIT_CURRENCY = 'currency 1' THEN amount(AMT_CREDIT_SUM) END AS credit_sum,
    CASE WHEN CREDIT_CURRENCY = 'currency 1' THEN amount(AMT_CREDIT_SUM_DEBT) END AS debt,
    CASE WHEN CREDIT_CURRENCY = 'currency 1' THEN amount(AMT_CREDIT_SUM_LIMIT) END AS credit_limit,
    CASE WHEN CREDIT_CURRENCY = 'currency 1' THEN amount(AMT_CREDIT_SUM_OVERDUE) END AS overdue,
    CASE WHEN CREDIT_CURRENCY = 'currency 1' THEN amount(AMT_CREDIT_MAX_OVERDUE) END AS max_overdue,
    CASE WHEN CREDIT_CURRENCY = 'currency 1' THEN amount(AMT_ANNUITY) END AS annuity
FROM known
