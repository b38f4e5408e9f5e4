-- Exact arithmetic: sums of integers and decimals do not depend on the order of rows, sums of doubles do.
CREATE OR REPLACE TEMP MACRO amount(x) AS TRY_CAST(x AS DECIMAL(18, 3));
CREATE OR REPLACE TEMP MACRO exact(x) AS TRY_CAST(x AS DECIMAL(18, 9));
-- An amount so many times: a product of narrow decimals overflows where this does not.
CREATE OR REPLACE TEMP MACRO times(x, count) AS x::DECIMAL(28, 3) * count;
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
-- Population standard deviation, null below two values; beyond 1e6 either way a value counts as 1e6, so that squares fit.
CREATE OR REPLACE TEMP MACRO clipped(x) AS CASE WHEN x IS NOT NULL THEN greatest(least(x::DOUBLE, 1e6), -1e6) END;
CREATE OR REPLACE TEMP MACRO deviation(x) AS CASE WHEN count(x) > 1 THEN sqrt(greatest(
    sum((clipped(x) * clipped(x))::DECIMAL(38, 18))::DOUBLE / count(x)
    - (sum(exact(clipped(x)))::DOUBLE / count(x)) ** 2, 0)) END;
-- Least squares slope of y by the integer x, null below two different x. The sums are exact, and rounded only then.
CREATE OR REPLACE TEMP MACRO known_x(y, x) AS CASE WHEN y IS NOT NULL THEN x END;
CREATE OR REPLACE TEMP MACRO slope(y, x) AS CASE WHEN max(known_x(y, x)) > min(known_x(y, x)) THEN
    (count(y) * sum(y::DECIMAL(28, 9) * x)::DOUBLE - sum(known_x(y, x))::DOUBLE * sum(y)::DOUBLE)
    / (count(y) * sum(known_x(y, x * x))::DOUBLE - sum(known_x(y, x))::DOUBLE ** 2) END;
-- How long in the present work, in days back to its start, at most five years. Clients without work count as five
-- years, among the long employed: what the form says of them tells pension age.
CREATE OR REPLACE TEMP MACRO time_in_work(days) AS CASE WHEN days = 365243 OR days < -1826 THEN -1826 ELSE days END;
-- The employer's line of business; null where the form names none, be it a general business, other, or no employer.
CREATE OR REPLACE TEMP MACRO line_of_business(organization) AS CASE
    WHEN organization NOT IN ('XNA', 'Other') AND NOT starts_with(organization, 'Business Entity') THEN organization END;
