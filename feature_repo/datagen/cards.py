"""Monthly card balances and the card's instalments (schedule version 0)."""

from dataclasses import dataclass

import numpy as np

from feature_repo.datagen.clients import HISTORY_DAYS, HISTORY_MONTHS, Clients
from feature_repo.datagen.columns import Bools, Column, Floats, Ints, Labels, masked, rows_where
from feature_repo.datagen.draws import expand, from_quantiles, negative_binomial, to_units, upper_tail
from feature_repo.datagen.instalments import Payments, delay, split
from feature_repo.datagen.previous import Previous

#: Balance over limit of a card month, as quantiles (half of the months carry no balance).
_UTILISATION = [-0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.861, 1.003, 1.03, 1.071, 1.3]
_LIMITS = [45_000.0, 90_000.0, 157_500.0, 225_000.0, 450_000.0]
#: Balances below this share of the limit are paid off within the month.
_SMALLEST = 0.26
_STATUSES = ("Active", "Completed", "Signed", "Sent proposal", "Demand")
#: Instalment rows of a month with a balance, beyond the first one.
_EXTRA_INSTALMENTS = 1.22
_MINIMUM_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class CardMonths:
    """Card months, shape (m,), before and after T0."""

    owner: Ints
    previous_id: Ints
    month: Ints
    limit: Floats
    utilisation: Floats
    balance: Floats
    atm_count: Ints
    pos_count: Ints
    atm: Floats
    pos: Floats
    row: Ints
    position: Ints


def draw_card_months(rng: np.random.Generator, clients: Clients, previous: Previous) -> CardMonths:
    """One row per card and month from the issue to the world's present (or the card's end)."""
    cards = previous.cards()
    owner = previous.owner[cards]
    start = np.maximum(clients.months_from_t0(owner, previous.decided[cards]), -HISTORY_MONTHS)
    start = np.minimum(start, -1)
    ends = rng.random(cards.size) < 0.28
    cut = (start * rng.random(cards.size)).astype(np.int64)
    last = np.where(ends, np.maximum(cut, start), clients.months_ahead[owner])
    row, position = expand(last - start + 1)
    month = start[row] + position
    limit = _limits(rng, clients, owner)[row]
    client = owner[row]
    utilisation = _utilisation(rng, clients, client, row, cards.size)
    atm_count, pos_count = _drawings(rng, clients.latent["cash_need"][client], utilisation > 0)
    withdrawn = np.minimum(atm_count * np.exp(rng.normal(9.3, 0.8, row.size)), limit)
    spent = pos_count * np.exp(rng.normal(7.9, 0.9, row.size))
    return CardMonths(
        owner=client,
        previous_id=previous.ids[cards][row],
        month=month,
        limit=limit,
        utilisation=utilisation,
        balance=np.round(limit * utilisation, 3),
        atm_count=atm_count,
        pos_count=pos_count,
        atm=to_units(withdrawn, 450),
        pos=np.round(spent, 2),
        row=row,
        position=position,
    )


def _limits(rng: np.random.Generator, clients: Clients, owner: Ints) -> Floats:
    """Credit limit per card: higher with the income, in steps of 45,000."""
    z = 0.5 * clients.latent["AMT_INCOME_TOTAL"][owner] + 0.86 * rng.standard_normal(owner.size)
    limits: Floats = np.maximum(to_units(from_quantiles(z, _LIMITS), 45_000), 22_500.0)
    return limits


def _drawings(rng: np.random.Generator, cash_need: Floats, used: Bools) -> tuple[Ints, Ints]:
    """Cash withdrawals and purchases per month of use."""
    atm = negative_binomial(rng, 0.63 * np.exp(0.8 * cash_need - 0.32), 0.5)
    purchases = (rng.random(used.size) < 0.2) * (1 + rng.poisson(5.5, used.size))
    return np.where(used, atm, 0), np.where(used, purchases, 0)


def _utilisation(rng: np.random.Generator, clients: Clients, client: Ints, row: Ints, cards: int) -> Floats:
    """Balance over limit: a level of the card (debt appetite, need of cash) and a slow movement over the months."""
    level = rng.standard_normal(cards)
    monthly = rng.standard_normal(row.size)
    slow = (monthly + np.roll(monthly, 1) + np.roll(monthly, 2)) / np.sqrt(3)
    z = 0.45 * clients.latent["appetite"][client] + 0.25 * clients.latent["cash_need"][client]
    z = (z + 0.6 * level[row] + 0.6 * slow) / np.sqrt(0.45**2 + 0.25**2 + 0.72)
    utilisation = from_quantiles(z, _UTILISATION)
    return np.where(np.abs(utilisation) < _SMALLEST, 0.0, utilisation)


def card_tables(
    rng: np.random.Generator, clients: Clients, months: CardMonths
) -> tuple[dict[str, Column], dict[str, Column]]:
    """credit_card_balance rows of the months before T0's month, and of that month and later."""
    n = months.owner.size
    no_drawings = (months.previous_id * 2_654_435_761 % 1_000 < 195) | (rng.random(n) < 0.01)
    used = months.balance > 0
    no_minimum = rng.random(n) < 0.0858
    minimum = np.where(used, np.round(np.minimum(months.limit, months.balance) * _MINIMUM_SHARE, 3), 0.0)
    extra = np.where(rng.random(n) < 0.02, months.balance.clip(0), 0.0)
    paid = np.where(used, np.round(minimum * rng.uniform(0.8, 2.2, n) + extra, 2), 0.0)
    no_payment = ~used & (rng.random(n) < 0.355)
    late = -0.4 * clients.latent["discipline"][months.owner] + 0.92 * rng.standard_normal(n) > upper_tail(0.07)
    dpd = np.where(used & late, np.ceil(np.exp(rng.normal(1.6, 1.4, n))), 0.0).astype(np.int64)
    matured = np.cumsum(used) - _before(used, months.row)
    total = np.round(months.atm + months.pos, 2)
    recivable = np.round(months.balance * 0.997, 3)
    status = np.where(rng.random(n) < 0.0232, 1, np.where((months.position == 0) & (rng.random(n) < 0.12), 2, 0))
    table: dict[str, Column] = {
        "SK_ID_PREV": months.previous_id,
        "SK_ID_CURR": clients.ids[months.owner],
        "MONTHS_BALANCE": months.month,
        "AMT_BALANCE": months.balance,
        "AMT_CREDIT_LIMIT_ACTUAL": np.where(~used & (rng.random(n) < 0.355), 0.0, months.limit).astype(np.int64),
        "AMT_DRAWINGS_ATM_CURRENT": masked(months.atm, no_drawings),
        "AMT_DRAWINGS_CURRENT": np.where(no_drawings, 0.0, total),
        "AMT_DRAWINGS_OTHER_CURRENT": masked(np.zeros(n), no_drawings),
        "AMT_DRAWINGS_POS_CURRENT": masked(months.pos, no_drawings),
        "AMT_INST_MIN_REGULARITY": masked(minimum, no_minimum),
        "AMT_PAYMENT_CURRENT": masked(paid, no_payment),
        "AMT_PAYMENT_TOTAL_CURRENT": np.where(no_payment, 0.0, paid),
        "AMT_RECEIVABLE_PRINCIPAL": np.round(months.balance * 0.96, 3),
        "AMT_RECIVABLE": recivable,
        "AMT_TOTAL_RECEIVABLE": recivable,
        "CNT_DRAWINGS_ATM_CURRENT": masked(months.atm_count, no_drawings),
        "CNT_DRAWINGS_CURRENT": np.where(no_drawings, 0, months.atm_count + months.pos_count),
        "CNT_DRAWINGS_OTHER_CURRENT": masked(np.zeros(n), no_drawings),
        "CNT_DRAWINGS_POS_CURRENT": masked(months.pos_count, no_drawings),
        "CNT_INSTALMENT_MATURE_CUM": masked(matured, no_minimum),
        "NAME_CONTRACT_STATUS": Labels(status.astype(np.int64), _STATUSES),
        "SK_DPD": dpd,
        "SK_DPD_DEF": np.where(dpd < 8, np.minimum(dpd, 1), 0),
    }
    past = months.month < 0
    return rows_where(table, past), rows_where(table, ~past)


def _before(used: Bools, row: Ints) -> Ints:
    """Months with a balance on earlier cards, for each card month."""
    totals = np.bincount(row, weights=used) if row.size else np.zeros(0)
    return (np.cumsum(totals) - totals).astype(np.int64)[row]


def draw_card_payments(rng: np.random.Generator, clients: Clients, months: CardMonths) -> Payments:
    """Instalments of card months with a balance: several a month, numbered through."""
    count = np.where(months.balance > 0, 1 + rng.poisson(_EXTRA_INSTALMENTS, months.owner.size), 0)
    index, _ = expand(count.astype(np.int64))
    owner = months.owner[index]
    start = (clients.month_zero[owner] + months.month[index]).astype("datetime64[M]").astype("datetime64[D]")
    due = start.astype(np.int64) - clients.day_zero[owner] + 4 + rng.integers(0, 25, index.size)
    kept = (due >= -HISTORY_DAYS) & (due <= clients.horizon[owner])
    index, owner, due = index[kept], owner[kept], due[kept]
    row = months.row[index]
    order = np.lexsort((due, row))
    index, owner, due, row = index[order], owner[order], due[order], row[order]
    first = np.searchsorted(row, row, side="left")
    number = np.arange(row.size) - first + 1
    share = rng.uniform(0.2, 1.0, row.size)
    amount = np.round(np.maximum(months.balance[index] * _MINIMUM_SHARE * share, 0.045), 3)
    paid_on = due + delay(rng, clients, owner, row)
    version = np.zeros(row.size, dtype=np.int64)
    final = np.ones(row.size, dtype=np.bool_)
    ids = months.previous_id[index]
    return split(rng, clients, Payments(owner, ids, version, number, due, amount, paid_on, amount, final))
