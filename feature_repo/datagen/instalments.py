"""Instalments of loans and cards, paid early, on the day, late, in parts or not at all."""

from dataclasses import dataclass, replace

import numpy as np

from feature_repo.datagen.clients import HISTORY_DAYS, Clients
from feature_repo.datagen.columns import Bools, Column, Floats, Ints
from feature_repo.datagen.draws import expand, from_quantiles, upper_tail
from feature_repo.datagen.previous import Previous

_LATE, _ON_DAY = 0.087, 0.233
#: Share of instalments paid in two parts (10 % of rows are underpaid, 5 % of rows are second parts).
_SPLIT = 0.05
_EARLY_DAYS = [26.0, 15.0, 9.0, 4.0, 1.0]


@dataclass(frozen=True, slots=True)
class Payments:
    """Payment rows, shape (m,).

    `paid_on` and `paid` are NaN where nothing was ever paid; `final` marks the last row of each instalment.
    """

    owner: Ints
    previous_id: Ints
    version: Ints
    number: Ints
    due: Ints
    amount: Floats
    paid_on: Floats
    paid: Floats
    final: Bools

    def take(self, rows: Ints | Bools) -> "Payments":
        """The chosen rows."""
        return Payments(*(getattr(self, name)[rows] for name in self.__slots__))

    def joined(self, other: "Payments") -> "Payments":
        """Both, one after the other."""
        return Payments(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__slots__))


def draw_loan_payments(rng: np.random.Generator, clients: Clients, previous: Previous) -> Payments:
    """Instalments of consumer and cash loans due between the start of the history and the world's present."""
    loans = previous.loans()
    last = clients.horizon[previous.owner[loans]]
    count = np.clip((last - previous.first_due[loans]) // 30 + 1, 0, previous.payments[loans])
    row, position = expand(count)
    loan = loans[row]
    due = previous.first_due[loan] + 30 * position
    early_end = (position + 1 == previous.payments[loan]) & (previous.payments[loan] < previous.term[loan])
    rest = previous.annuity[loan] * (previous.term[loan] - position - 1) * 0.75
    amount = np.round(previous.annuity[loan] + np.where(early_end, rest, 0.0), 3)
    changed = rng.random(loans.size) < 0.16
    version = np.where(changed[row] & (position > previous.payments[loan] // 2), 2, 1)
    kept = due >= -HISTORY_DAYS
    payments = _pay(rng, clients, previous.owner[loan], row, due, amount)
    table = Payments(
        previous.owner[loan], previous.ids[loan], version, position + 1, due, amount, *payments, kept
    ).take(kept)
    return split(rng, clients, table)


def _pay(
    rng: np.random.Generator, clients: Clients, owner: Ints, loan: Ints, due: Ints, amount: Floats
) -> tuple[Floats, Floats]:
    return due + delay(rng, clients, owner, loan), np.where(rng.random(due.size) < 5e-5, np.nan, amount)


def delay(rng: np.random.Generator, clients: Clients, owner: Ints, loan: Ints) -> Floats:
    """Days between due and payment: negative is early; the undisciplined pay late, and stay late on a loan."""
    size = owner.size
    of_loan = rng.standard_normal(int(loan.max()) + 1 if size else 0)
    z = -0.5 * clients.latent["discipline"][owner] + 0.3 * of_loan[loan] + np.sqrt(0.66) * rng.standard_normal(size)
    days = np.ceil(np.exp(0.5 + 1.0 * rng.standard_normal(size) + 0.35 * np.maximum(z, 0)))
    punctual = 0.55 * clients.latent["earliness"][owner] + np.sqrt(1 - 0.55**2) * rng.standard_normal(size)
    ahead = np.round(from_quantiles(0.9 * rng.standard_normal(size), _EARLY_DAYS[::-1]))
    early = np.where(punctual < upper_tail(1 - _ON_DAY / (1 - _LATE)), 0.0, -np.maximum(ahead, 1))
    rare = rng.random(size) < 1.5e-3
    days = np.where(rare, days + rng.exponential(250, size).round(), days)
    return np.where(z > upper_tail(_LATE * 0.85), days, early)


def split(rng: np.random.Generator, clients: Clients, payments: Payments) -> Payments:
    """Some instalments are paid in two parts, a few never in full: the undisciplined do both more often."""
    z = -0.4 * clients.latent["discipline"][payments.owner]
    z = z - 0.25 * clients.latent["acceptance"][payments.owner] + 0.88 * rng.standard_normal(payments.owner.size)
    parted = z > upper_tail(_SPLIT)
    short = ~parted & (z > upper_tail(_SPLIT * 1.13))
    first_share = np.round(rng.uniform(0.05, 0.95, z.size), 2)
    first = np.round(payments.paid * first_share, 3)
    paid = np.where(parted | short, first, payments.paid)
    rows = parted.nonzero()[0]
    second = payments.take(rows)
    gap = np.round(rng.exponential(2.5, rows.size))
    after = replace(second, paid_on=second.paid_on + gap, paid=np.round(second.paid - first[rows], 3))
    whole = replace(payments, paid=paid, final=~parted)
    return whole.joined(after)


def known_at_t0(payments: Payments) -> Bools:
    """Rows of the delivered table: instalments due before T0."""
    return payments.due < 0


def before_t0(clients: Clients, payments: Payments) -> dict[str, Column]:
    """The delivered table: due before T0; what was not paid by then is missing."""
    part = payments.take(known_at_t0(payments))
    # A second part paid after T0 has no row yet: its instalment only shows the first part.
    open_ = ~(part.paid_on < 0)
    first = _first_rows(part)
    return payment_table(clients, part.take(~open_ | first), open_[~open_ | first])


def after_t0(rng: np.random.Generator, clients: Clients, payments: Payments, target: Ints) -> dict[str, Column]:
    """Payments made after T0 and instalments due after it; clients who default pay late or not at all."""
    pending = (payments.due >= 0) | ~(payments.paid_on < 0)
    part = payments.take(pending)
    bad = (target[part.owner] == 1) & (part.due >= 0)
    late = np.where(bad & (rng.random(part.due.size) < 0.55), np.ceil(rng.exponential(45, part.due.size)), 0.0)
    paid_on = np.maximum(part.paid_on + late, 1.0)
    horizon = clients.horizon[part.owner]
    never = np.isnan(part.paid) | (paid_on > horizon)
    moved = replace(part, paid_on=paid_on)
    kept = (part.due <= horizon) & ~(never & ((part.due < 0) | ~_first_rows(moved)))
    return payment_table(clients, moved.take(kept), never[kept])


def _first_rows(part: Payments) -> Bools:
    """First row of each instalment: second parts come after all first rows, with the same key."""
    key = (part.previous_id * 1_000 + part.number) * 8 + part.version
    first = np.zeros(key.size, dtype=np.bool_)
    first[np.unique(key, return_index=True)[1]] = True
    return first


def payment_table(clients: Clients, part: Payments, unpaid: Bools) -> dict[str, Column]:
    """Rows in the delivered columns; payment date and amount are missing together."""
    nothing = unpaid | np.isnan(part.paid)
    return {
        "SK_ID_PREV": part.previous_id,
        "SK_ID_CURR": clients.ids[part.owner],
        "NUM_INSTALMENT_VERSION": part.version.astype(np.float64),
        "NUM_INSTALMENT_NUMBER": part.number,
        "DAYS_INSTALMENT": part.due.astype(np.float64),
        "DAYS_ENTRY_PAYMENT": np.where(nothing, np.nan, part.paid_on),
        "AMT_INSTALMENT": part.amount,
        "AMT_PAYMENT": np.where(nothing, np.nan, part.paid),
    }
