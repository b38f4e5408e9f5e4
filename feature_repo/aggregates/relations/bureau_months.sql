-- One row per spine row, bureau credit and month that ended before as_of: the month's newest status known.
WITH known AS (
    SELECT
        s.spine_row,
        b.SK_ID_BUREAU AS credit,
        month_number(s.as_of_us) - month_number(epoch_us(b.t0)) - b.MONTHS_BALANCE AS months_ago,
        arg_max(b.STATUS, b.known_ts) AS status
    FROM spine s
    JOIN bureau_balance b ON b.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(b.known_ts) < s.as_of_us
    GROUP BY ALL
)
SELECT
    *,
    -- 0 none, 1 up to 30 days, 2 up to 60, 3 up to 90, 4 up to 120, 5 beyond; X (unknown) is null.
    CASE WHEN status IN ('0', 'C') THEN 0 ELSE TRY_CAST(status AS INTEGER) END AS past_due_grade
FROM known
