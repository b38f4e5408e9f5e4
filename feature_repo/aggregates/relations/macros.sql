-- Exact arithmetic: sums of integers and decimals do not depend on the order of rows, sums of doubles do.
CREATE OR REPLACE TEMP MACRO amount(x) AS TRY_CAST(x AS DECIMAL(18, 3));
CREATE OR REPLACE TEMP MACRO exact(x) AS TRY_CAST(x AS DECIMAL(18, 9));
-- Null unless the denominator is positive; beyond 1e9 a ratio carries no meaning and is null too.
CREATE OR REPLACE TEMP MACRO ratio(a, b) AS CASE WHEN b > 0 THEN TRY_CAST(a::DOUBLE / b::DOUBLE AS DECIMAL(18, 9)) END;
CREATE OR REPLACE TEMP MACRO share(condition) AS avg(condition::INTEGER);
-- Whole days from one moment to a later one, rounded down on both sides of zero (// truncates towards zero).
CREATE OR REPLACE TEMP MACRO whole_days(later_us, earlier_us) AS
    (later_us - earlier_us + 36500 * 86400000000) // 86400000000 - 36500;
-- A day count relative to T0; null where the column says "not applicable".
CREATE OR REPLACE TEMP MACRO day_count(x) AS nullif(x, 365243)::INTEGER;
CREATE OR REPLACE TEMP MACRO month_number(us) AS
    date_part('year', make_timestamp(us)) * 12 + date_part('month', make_timestamp(us));
