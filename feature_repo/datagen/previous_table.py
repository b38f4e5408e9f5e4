"""previous_application rows as known on a given day."""

import numpy as np

from credit.clock import WEEKDAYS
from credit.schemas.raw import DAYS_SENTINEL
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Bools, Column, Ints, Labels, masked, rows_where
from feature_repo.datagen.draws import from_quantiles, pick
from feature_repo.datagen.parameters import parameters, shares_of
from feature_repo.datagen.previous import APPROVED, CANCELED, CASH, CONSUMER, REFUSED, REVOLVING, UNUSED, Previous

_KINDS = ("Consumer loans", "Cash loans", "Revolving loans", "XNA")
_STATUSES = ("Approved", "Canceled", "Refused", "Unused offer")
_YIELDS = ("XNA", "low_action", "low_normal", "middle", "high")
_PRODUCTS = (
    "POS household with interest",
    "POS mobile with interest",
    "POS industry with interest",
    "POS other with interest",
    "POS household without interest",
    "POS mobile without interest",
    "POS industry without interest",
    "POS others without interest",
    "Cash",
    "Cash X-Sell: low",
    "Cash X-Sell: middle",
    "Cash X-Sell: high",
    "Cash Street: low",
    "Cash Street: middle",
    "Cash Street: high",
    "Card Street",
    "Card X-Sell",
)


def previous_columns(rng: np.random.Generator, clients: Clients, previous: Previous) -> dict[str, Column]:
    """Every column but the end of the loan: values fixed at the decision."""
    n, kind, status = previous.owner.size, previous.kind, previous.status
    canceled_cash = (status == CANCELED) & (rng.random(n) < 0.947)
    no_terms = canceled_cash | ((status == REFUSED) & (rng.random(n) < 0.132)) | (status == UNUSED)
    zero = canceled_cash | ((kind == REVOLVING) & (rng.random(n) < 0.5))
    no_down = (kind != CONSUMER) & (rng.random(n) < 0.95)
    rate = np.where(previous.goods > 0, previous.down / np.maximum(previous.goods, 1), 0.0)
    privileged = rng.random(n) < 0.0036
    asked = np.where(zero, 0.0, previous.goods)
    columns: dict[str, Column] = {
        "SK_ID_PREV": previous.ids,
        "SK_ID_CURR": clients.ids[previous.owner],
        "NAME_CONTRACT_TYPE": Labels(np.where(rng.random(n) < 2e-4, 3, kind), _KINDS),
        "AMT_ANNUITY": masked(previous.annuity, no_terms),
        "AMT_APPLICATION": asked,
        "AMT_CREDIT": np.where(canceled_cash, 0.0, previous.credit),
        "AMT_DOWN_PAYMENT": masked(previous.down, no_down | (status == CANCELED)),
        "AMT_GOODS_PRICE": masked(previous.goods, zero),
        "WEEKDAY_APPR_PROCESS_START": _weekday(rng, clients, previous),
        "HOUR_APPR_PROCESS_START": np.clip(np.round(rng.normal(12.5, 3.3, n)), 0, 23).astype(np.int64),
        "FLAG_LAST_APPL_PER_CONTRACT": Labels((rng.random(n) < 0.005).astype(np.int64), ("Y", "N")),
        "NFLAG_LAST_APPL_IN_DAY": (rng.random(n) > 0.0035).astype(np.int64),
        "RATE_DOWN_PAYMENT": masked(np.round(rate, 6), no_down | (status == CANCELED)),
        "RATE_INTEREST_PRIMARY": masked(np.round(rng.uniform(0.16, 0.197, n), 6), ~privileged),
        "RATE_INTEREST_PRIVILEGED": masked(np.round(rng.uniform(0.715, 0.868, n), 6), ~privileged),
        "DAYS_DECISION": previous.decided,
        "NAME_CONTRACT_STATUS": Labels(status, _STATUSES),
        "SELLERPLACE_AREA": _seller_area(rng, kind),
        "CNT_PAYMENT": masked(previous.term, no_terms),
        "NFLAG_INSURED_ON_APPROVAL": masked(
            (rng.random(n) < 0.324).astype(np.int64), ~((status == APPROVED) & _dated(previous))
        ),
        "DAYS_FIRST_DRAWING": np.where(kind == REVOLVING, previous.decided + 30.0, float(DAYS_SENTINEL)),
    }
    return columns | _labels(rng, previous, canceled_cash)


def state_columns(previous: Previous, fixed: dict[str, Column], at: Ints, chosen: Bools) -> dict[str, Column]:
    """The chosen rows with their end-of-loan columns as known on day `at` (shape (m,)) of each row.

    365243 says not over yet; all columns are missing for applications that gave no loan.
    """
    undated = ~((previous.status == APPROVED) & _dated(previous))
    revolving = previous.kind == REVOLVING
    running = revolving | (previous.last_due() > at)
    first_version = previous.first_due + 30.0 * (previous.term - 1)
    days = {
        "DAYS_FIRST_DUE": np.where(revolving & (previous.ids % 3 == 0), DAYS_SENTINEL, previous.first_due),
        "DAYS_LAST_DUE_1ST_VERSION": np.where(revolving & (previous.ids % 4 > 0), DAYS_SENTINEL, first_version),
        "DAYS_LAST_DUE": np.where(running, DAYS_SENTINEL, previous.last_due()),
        "DAYS_TERMINATION": np.where(running | (previous.ended > at), DAYS_SENTINEL, previous.ended),
    }
    drawing = fixed["DAYS_FIRST_DRAWING"]
    assert not isinstance(drawing, Labels)
    early = np.where(drawing > at, DAYS_SENTINEL, drawing)
    states = {name: masked(np.asarray(column, dtype=np.float64), undated) for name, column in days.items()}
    table = fixed | states | {"DAYS_FIRST_DRAWING": masked(early.astype(np.float64), undated)}
    return rows_where(table, chosen)


def changed_after_t0(clients: Clients, previous: Previous) -> Bools:
    """Rows that a later report adds: loans that ended after T0, and applications after T0."""
    horizon = clients.horizon[previous.owner]
    lent = (previous.status == APPROVED) & (previous.kind != REVOLVING) & _dated(previous)
    ended = lent & (
        ((previous.last_due() > 0) & (previous.last_due() <= horizon))
        | ((previous.ended > 0) & (previous.ended <= horizon))
    )
    changed: Bools = ended | (previous.decided > 0)
    return changed


def _dated(previous: Previous) -> Bools:
    dated: Bools = (previous.payments > 0) | (previous.kind == REVOLVING)
    return dated


def _weekday(rng: np.random.Generator, clients: Clients, previous: Previous) -> Labels:
    """The calendar's weekday for most rows; a day later or any day for the others (measured: 86.3 %, 5.5 %)."""
    size = previous.owner.size
    u = rng.random(size)
    noise = np.where(u < 0.846, 0, np.where(u < 0.886, 1, rng.integers(0, 7, size)))
    return Labels((clients.weekday[previous.owner] + previous.decided + noise) % 7, WEEKDAYS)


def _seller_area(rng: np.random.Generator, kind: Ints) -> Ints:
    area = from_quantiles(rng.standard_normal(kind.size), parameters().previous["seller_area"])
    shop = np.where(kind == CONSUMER, np.abs(np.round(area * 1.6)), np.round(area * 0.2))
    return np.where((kind != CONSUMER) & (rng.random(kind.size) < 0.6), -1, shop).astype(np.int64)


def _labels(rng: np.random.Generator, previous: Previous, canceled_cash: Bools) -> dict[str, Column]:
    kind, status, n = previous.kind, previous.status, previous.owner.size
    goods = _drawn(rng, "NAME_GOODS_CATEGORY", kind == CONSUMER)
    industry = _drawn(rng, "NAME_SELLER_INDUSTRY", kind == CONSUMER)
    purpose_names, purpose_shares = shares_of(parameters().previous["shares"]["NAME_CASH_LOAN_PURPOSE"])
    purpose = pick(rng, np.where(np.array(purpose_names) == "XAP", 0.0, purpose_shares), n)
    yields = pick_rows_by_kind(rng, kind)
    yields = np.where(canceled_cash | (kind == REVOLVING), 0, yields)
    suite_names, suite_shares = shares_of(parameters().previous["shares"]["NAME_TYPE_SUITE"])
    no_suite = rng.random(n) < np.array([0.374, 0.951, 0.412, 0.889])[status]
    portfolio = np.where(canceled_cash, 3, kind)
    product_type = np.where(kind == CONSUMER, 0, 1 + (rng.random(n) < 0.265))
    return {
        "NAME_CASH_LOAN_PURPOSE": Labels(np.where(kind == CASH, purpose, purpose_names.index("XAP")), purpose_names),
        "NAME_PAYMENT_TYPE": Labels(
            np.where(canceled_cash | (rng.random(n) < 0.2), 1, np.where(rng.random(n) < 0.006, 2, 0)),
            ("Cash through the bank", "XNA", "Non-cash from your account"),
        ),
        "CODE_REJECT_REASON": _reject_reason(rng, status),
        "NAME_TYPE_SUITE": Labels(
            np.where(no_suite, -1, pick(rng, np.where(np.array(suite_names) == "<NA>", 0.0, suite_shares), n)),
            suite_names,
        ),
        "NAME_CLIENT_TYPE": _client_type(rng, previous),
        "NAME_GOODS_CATEGORY": goods,
        "NAME_PORTFOLIO": Labels(portfolio, ("POS", "Cash", "Cards", "XNA")),
        "NAME_PRODUCT_TYPE": Labels(np.where(canceled_cash, 0, product_type), ("XNA", "x-sell", "walk-in")),
        "CHANNEL_TYPE": _channel(rng, kind),
        "NAME_SELLER_INDUSTRY": industry,
        "NAME_YIELD_GROUP": Labels(yields, _YIELDS),
        "PRODUCT_COMBINATION": _product(rng, kind, yields, product_type == 2),
    }


def pick_rows_by_kind(rng: np.random.Generator, kind: Ints) -> Ints:
    """Yield group 1 (low_action) to 4 (high)."""
    consumer = 1 + pick(rng, np.array([0.13, 0.2, 0.33, 0.34]), kind.size)
    cash = 2 + pick(rng, np.array([0.42, 0.33, 0.25]), kind.size)
    return np.where(kind == CONSUMER, consumer, cash)


def _drawn(rng: np.random.Generator, name: str, chosen: Bools) -> Labels:
    names, shares = shares_of(parameters().previous["shares"][name])
    without = np.where(np.array(names) == "XNA", 0.02, shares)
    return Labels(np.where(chosen, pick(rng, without, chosen.size), names.index("XNA")), names)


def _reject_reason(rng: np.random.Generator, status: Ints) -> Labels:
    names, shares = shares_of(parameters().previous["shares"]["CODE_REJECT_REASON"])
    reasons = pick(rng, np.where(np.isin(names, ("XAP", "CLIENT")), 0.0, shares), status.size)
    reasons = np.where(status == UNUSED, names.index("CLIENT"), reasons)
    return Labels(np.where((status == APPROVED) | (status == CANCELED), names.index("XAP"), reasons), names)


def _client_type(rng: np.random.Generator, previous: Previous) -> Labels:
    """The first application of a client is a new client's; later ones a repeater's or a refreshed one's."""
    order = np.lexsort((previous.decided, previous.owner))
    first = np.zeros(order.size, dtype=np.bool_)
    first[order] = np.diff(previous.owner[order], prepend=-1) != 0
    again = np.where(rng.random(order.size) < 0.11, 2, 1)
    return Labels(np.where(first, 0, again).astype(np.int64), ("New", "Repeater", "Refreshed", "XNA"))


def _channel(rng: np.random.Generator, kind: Ints) -> Labels:
    names, shares = shares_of(parameters().previous["shares"]["CHANNEL_TYPE"])
    retail = np.isin(names, ("Country-wide", "Stone", "Regional / Local"))
    consumer = pick(rng, np.where(retail, shares, shares * 0.1), kind.size)
    other = pick(rng, np.where(retail, shares * 0.12, shares), kind.size)
    return Labels(np.where(kind == CONSUMER, consumer, other), names)


def _product(rng: np.random.Generator, kind: Ints, yields: Ints, walk_in: Bools) -> Labels:
    goods = pick(rng, np.array([0.46, 0.37, 0.13, 0.04]), kind.size)
    pos = goods + np.where(yields == 1, 4, 0)
    level = np.clip(yields - 2, 0, 2)
    cash = np.where(yields == 0, 8, np.where(walk_in, 12, 9) + level)
    card = np.where(walk_in, 15, 16)
    return Labels(np.select([kind == CONSUMER, kind == CASH], [pos, cash], card).astype(np.int64), _PRODUCTS)
