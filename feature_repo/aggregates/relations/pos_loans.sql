-- One row per spine row and loan: how it stood at the end of its newest month known.
SELECT
    spine_row,
    loan,
    months_ago,
    row_number() OVER (PARTITION BY spine_row ORDER BY months_ago, loan DESC) AS recency,
    status = 'Active' AS active,
    completed,
    term,
    instalments_left,
    completed AND earlier_left > 1 AS completed_early,
    days_past_due
FROM pos_months
WHERE recency = 1
