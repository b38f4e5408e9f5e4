-- The newest application at or before as_of.
SELECT s.spine_row, a.*
FROM spine s
JOIN application a ON a.SK_ID_CURR = s.SK_ID_CURR AND epoch_us(a.t0) <= s.as_of_us
QUALIFY row_number() OVER (PARTITION BY s.spine_row ORDER BY a.t0 DESC) = 1
