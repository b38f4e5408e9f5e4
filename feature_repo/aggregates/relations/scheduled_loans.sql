-- One row per spine row and approved previous loan with a schedule, as it stood at as_of: schedule less payments.
WITH loans AS (
    SELECT
        p.*,
        -- A loan that ended owes nothing more, whatever its schedule said; without an annuity the debt is not known.
        CASE
            WHEN NOT p.running OR times(p.annuity, p.payments) <= coalesce(i.paid, 0) THEN 0
            ELSE times(p.annuity, p.payments) - coalesce(i.paid, 0)
        END AS debt,
        CASE WHEN p.running THEN greatest(p.payments - coalesce(i.paid_count, 0), 0) ELSE 0 END AS unpaid_count
    FROM previous_applications p
    LEFT JOIN instalment_loans i USING (spine_row, loan)
    WHERE p.approved AND p.payments > 0
)
SELECT
    spine_row,
    running,
    annuity,
    debt,
    unpaid_count,
    ratio(debt, credit) AS debt_ratio,
    ratio(goods_price, debt) AS goods_to_debt
FROM loans
