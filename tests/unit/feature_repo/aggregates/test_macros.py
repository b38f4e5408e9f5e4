"""The macros on plain values: exact in any order of rows, and what they give where there is nothing to say."""

from random import Random
from statistics import pstdev

import pytest

from feature_repo.aggregates.sql import macros_sql
from feature_repo.sql_engine import connect

#: Close values of a high level: sums of their squares in double precision agree on little in another order.
CLOSE = tuple(999_998 + (index * index % 97) / 97 for index in range(30))


@pytest.fixture(scope="module")
def connection():
    with connect(threads=1) as opened:
        opened.execute(macros_sql())
        yield opened


def value(connection, expression, rows=((None, None),)):
    """`expression` over rows of x (a ratio) and i (an integer), in the order given."""
    text = ", ".join(f"({'NULL' if x is None else x}::DOUBLE, {'NULL' if i is None else i}::INTEGER)" for x, i in rows)
    query = f"SELECT {expression} FROM (SELECT exact(a) AS x, b AS i FROM (VALUES {text}) rows(a, b))"
    return connection.sql(query).fetchall()[0][0]


@pytest.mark.parametrize("expression", ["deviation(x)", "slope(x, i)", "avg(x)", "sum(x)"])
def test_the_same_bits_in_any_order_of_rows(connection, expression):
    rows = [(x, index) for index, x in enumerate(CLOSE)]
    orders = [Random(seed).sample(rows, len(rows)) for seed in range(30)]
    assert len({value(connection, expression, order) for order in orders}) == 1


def test_deviation_and_slope_are_the_textbooks(connection):
    rows = [(0.5, 1), (0.75, 2), (None, 3), (2.0, 4), (-1.0, 4)]
    assert value(connection, "deviation(x)", rows) == pytest.approx(pstdev([0.5, 0.75, 2.0, -1.0]))
    assert value(connection, "deviation(x)", [(0.1, 1)] * 3) == pytest.approx(0, abs=1e-8)
    assert value(connection, "slope(x, i)", [(2.0, -1), (4.0, -3), (None, 7)]) == -1
    assert value(connection, "slope(x, i)", rows) == pytest.approx(-1 / 36)


@pytest.mark.parametrize("expression", ["deviation(x)", "slope(x, i)"])
@pytest.mark.parametrize("rows", [[(1.0, 1)], [(1.0, 1), (None, 2)], [(None, 1), (None, 2)]])
def test_one_value_has_no_spread_and_no_trend(connection, expression, rows):
    assert value(connection, expression, rows) is None


def test_equal_months_have_no_trend(connection):
    assert value(connection, "slope(x, i)", [(1.0, 4), (2.0, 4)]) is None


def test_what_is_far_beyond_a_ratio_counts_as_a_million(connection):
    assert value(connection, "deviation(x)", [(9e8, 1), (0.0, 2)]) == 500_000


def test_the_largest_amounts_and_ratios_do_not_overflow(connection):
    assert float(value(connection, "times(amount(9e14), i)", [(None, 3_000)])) == 9e14 * 3_000
    assert value(connection, "slope(x, i)", [(9e8, -96), (-9e8, -1)]) == pytest.approx(-18e8 / 95)


@pytest.mark.parametrize(("days", "served"), [(-5, -5), (-1_827, -1_826), (365_243, -1_826), ("NULL", None), (0, 0)])
def test_time_in_work(connection, days, served):
    assert value(connection, f"time_in_work({days})") == served
