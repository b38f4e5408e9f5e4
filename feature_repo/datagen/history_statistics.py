"""Statistics of the realised histories at T0 that the default process reads."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from feature_repo.datagen.bureau import Credits
from feature_repo.datagen.cards import CardMonths
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Bools, Floats, Ints, Table, labels, numbers
from feature_repo.datagen.instalments import Payments, known_at_t0
from feature_repo.datagen.previous import APPROVED, REFUSED, Previous


@dataclass(frozen=True, slots=True)
class BureauRows:
    """Bureau rows as delivered, with the client's position; debt and largest overdue are NaN where missing."""

    owner: Ints
    opened: Ints
    active: Bools
    amount: Floats
    debt: Floats
    max_overdue: Floats

    @classmethod
    def of(cls, book: Credits, table: Table) -> Self:
        """The rows of the delivered table made from `book`."""
        state, past = labels(table, "CREDIT_ACTIVE"), book.before()
        return cls(
            owner=book.owner[past],
            opened=book.opened[past],
            active=state.codes == state.names.index("Active"),
            amount=numbers(table, "AMT_CREDIT_SUM"),
            debt=numbers(table, "AMT_CREDIT_SUM_DEBT"),
            max_overdue=numbers(table, "AMT_CREDIT_MAX_OVERDUE"),
        )


@dataclass(frozen=True, slots=True)
class History:
    """What the chunk's clients have done: the inputs of the history terms."""

    bureau: BureauRows
    previous: Previous
    payments: Payments
    card_months: CardMonths


def history_statistics(clients: Clients, history: History) -> dict[str, Floats]:
    """Statistics of the realised histories as the tables show them at T0."""
    return (
        _bureau_statistics(clients, history.bureau)
        | _previous_statistics(clients, history.previous)
        | _payment_statistics(clients, history.payments)
        | _card_statistics(clients, history.card_months)
    )


def _bureau_statistics(clients: Clients, rows: BureauRows) -> dict[str, Floats]:
    n, owner, active = clients.size, rows.owner, rows.active
    count, open_count = np.bincount(owner, minlength=n), _sum(n, owner, active)
    sums, debts = _sum(n, owner, active * rows.amount), _sum(n, owner, active * np.nan_to_num(rows.debt))
    mean_age = _sum(n, owner, -rows.opened / 365.25) / np.maximum(count, 1)
    return {
        "no_record": (count == 0).astype(np.float64),
        "debt_ratio": np.where(sums > 0, debts / np.maximum(sums, 1), 0.0).clip(0, 1.2),
        "credit_age": np.where(count > 0, mean_age, 3.15),
        "recent_credits": np.minimum(_sum(n, owner, rows.opened > -365), 5.0),
        "open_share": np.where(count > 0, open_count / np.maximum(count, 1), 0.37),
        "ever_overdue": np.minimum(_sum(n, owner, rows.max_overdue > 0), 2.0),
    }


def _previous_statistics(clients: Clients, previous: Previous) -> dict[str, Floats]:
    n, past = clients.size, previous.decided < 0
    count = _sum(n, previous.owner, past)
    refused = past & (previous.status == REFUSED)
    approved = _sum(n, previous.owner, past & (previous.status == APPROVED))
    return {
        "refused_share": _sum(n, previous.owner, refused) / (count + 1.0),
        "recent_refusals": np.minimum(_sum(n, previous.owner, refused & (previous.decided > -730)), 3.0),
        "approved_share": np.where(count > 0, approved / np.maximum(count, 1), 0.65),
    }


def _payment_statistics(clients: Clients, payments: Payments) -> dict[str, Floats]:
    n, past = clients.size, known_at_t0(payments) & payments.final
    count = _sum(n, payments.owner, past)
    late = past & (payments.paid_on > payments.due)
    recent = past & (payments.due > -365)
    days = np.clip(np.nan_to_num(payments.due - payments.paid_on), -30, 30)
    return {
        "late_share": np.sqrt(_sum(n, payments.owner, late) / (count + 3.0)),
        "recent_late_share": _sum(n, payments.owner, late & recent) / (_sum(n, payments.owner, recent) + 2.0),
        "days_ahead": np.where(count > 0, _sum(n, payments.owner, past * days) / np.maximum(count, 1), 8.0),
    }


def _card_statistics(clients: Clients, months: CardMonths) -> dict[str, Floats]:
    n, past = clients.size, (months.month < 0).astype(np.float64)
    count = _sum(n, months.owner, past)
    at_least_one = np.maximum(count, 1)
    atm = _sum(n, months.owner, past * months.atm_count) / at_least_one
    utilisation = _sum(n, months.owner, past * months.utilisation) / at_least_one
    return {"atm_count": np.minimum(atm, 3.0), "utilisation": np.where(count > 0, utilisation, 0.2)}


def _sum(n: int, owner: Ints, values: Floats | Bools) -> Floats:
    return np.bincount(owner, weights=values, minlength=n).astype(np.float64)
