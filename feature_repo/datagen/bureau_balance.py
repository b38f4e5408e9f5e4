"""Monthly states of bureau credits, with some credits that no bureau row explains (as in the delivered files)."""

import numpy as np

from feature_repo.datagen.bureau import BUREAU_ID_BLOCK, FIRST_BUREAU_ID, Credits
from feature_repo.datagen.clients import HISTORY_MONTHS, Clients
from feature_repo.datagen.columns import Bools, Column, Ints, Labels, stacked
from feature_repo.datagen.draws import expand, logistic

_STATUS = ("C", "0", "X", "1", "2", "3", "4", "5")
_CLOSED, _PAID, _UNKNOWN = 0, 1, 2
#: Share of clients whose credits have monthly states, and of extra credits unknown to the bureau table.
_COVERED, _UNEXPLAINED = 0.46, 0.0556
#: Where the ids of unexplained credits start, above any chunk's block.
_FIRST_UNEXPLAINED_ID = FIRST_BUREAU_ID + 400 * BUREAU_ID_BLOCK
_UNEXPLAINED_BLOCK = 1_000


def draw_balances(
    rng: np.random.Generator, clients: Clients, book: Credits, chunk: int
) -> tuple[dict[str, Column], dict[str, Column]]:
    """Monthly rows known at T0 (months up to 0) and after it."""
    covered = (rng.random(clients.size) < _COVERED)[book.owner]
    part = covered.nonzero()[0]
    first = clients.months_from_t0(book.owner[part], book.opened[part])
    first = np.maximum(first, -HISTORY_MONTHS)
    reported = np.where(rng.random(part.size) < 0.75, 0, rng.integers(-60, 0, part.size))
    known_last = np.maximum(np.minimum(reported, 0), first)
    follows = (reported == 0) & (book.closed[part] > 0)
    final = np.minimum(
        clients.months_ahead[book.owner[part]], clients.months_from_t0(book.owner[part], book.closed[part]) + 1
    )
    last = np.where(follows | (first > 0), np.maximum(final, known_last), known_last)
    rows, position = expand(np.maximum(last - first + 1, 0))
    month = first[rows] + position
    status = _statuses(rng, clients, book, part, rows, month)
    ids = book.ids[part][rows]
    past = month <= 0
    table = _table(ids, month, status, past)
    unexplained = _unexplained(rng, table, book, part, chunk)
    later = _table(ids, month, status, ~past)
    return stacked(table, unexplained), later


def _statuses(rng: np.random.Generator, clients: Clients, book: Credits, part: Ints, rows: Ints, month: Ints) -> Ints:
    owner = book.owner[part]
    closing = clients.months_from_t0(owner, np.minimum(book.closed[part], 1e5))
    unreported = rng.beta(0.35, 0.45, part.size)
    late = logistic(-3.75 - 0.8 * clients.latent["discipline"][owner])
    draw = rng.random(rows.size)
    status = np.where(draw < unreported[rows], _UNKNOWN, _PAID)
    days_late = rng.random(rows.size) < late[rows]
    depth = np.searchsorted([0.68, 0.75, 0.79, 0.8], rng.random(rows.size)) + 3
    status = np.where(days_late, depth, status)
    return np.where(month > closing[rows], _CLOSED, status).astype(np.int64)


def _table(ids: Ints, month: Ints, status: Ints, chosen: Bools) -> dict[str, Column]:
    return {
        "SK_ID_BUREAU": ids[chosen],
        "MONTHS_BALANCE": month[chosen],
        "STATUS": Labels(status[chosen], _STATUS),
    }


def _unexplained(
    rng: np.random.Generator, table: dict[str, Column], book: Credits, part: Ints, chunk: int
) -> dict[str, Column]:
    """Copies of some credits' months under ids that the bureau table does not hold."""
    known = book.ids[part][book.opened[part] <= 0]
    count = min(int(rng.binomial(known.size, _UNEXPLAINED)), _UNEXPLAINED_BLOCK)
    chosen = rng.permutation(known)[:count]
    ids, status = table["SK_ID_BUREAU"], table["STATUS"]
    assert not isinstance(ids, Labels)
    assert isinstance(status, Labels)
    order = np.argsort(chosen)
    slot = np.searchsorted(chosen[order], ids)
    hit = (slot < count) & (chosen[order][np.minimum(slot, max(count - 1, 0))] == ids) if count else ids < 0
    first = _FIRST_UNEXPLAINED_ID + chunk * _UNEXPLAINED_BLOCK
    month = table["MONTHS_BALANCE"]
    assert not isinstance(month, Labels)
    return {
        "SK_ID_BUREAU": first + slot[hit],
        "MONTHS_BALANCE": month[hit],
        "STATUS": status.take(hit),
    }
