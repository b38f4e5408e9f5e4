-- One row per spine row and previous loan with instalments that were due or paid before as_of.
SELECT
    spine_row,
    loan,
    sum(paid) AS paid,
    count_if(NOT underpaid) AS paid_count,
    sum(times(due, days_late)) FILTER (WHERE days_ago <= 365) / nullif(sum(due) FILTER (WHERE days_ago <= 365), 0)
        AS days_late_1y
FROM instalments
GROUP BY spine_row, loan
