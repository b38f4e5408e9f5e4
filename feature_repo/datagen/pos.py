"""Monthly balances of consumer and cash loans."""

import numpy as np

from feature_repo.datagen.clients import HISTORY_MONTHS, Clients
from feature_repo.datagen.columns import Bools, Column, Ints, Labels, masked, rows_where
from feature_repo.datagen.draws import expand, upper_tail
from feature_repo.datagen.previous import Previous

_STATUSES = ("Active", "Completed", "Signed", "Returned to the store", "Approved", "Demand")
_DPD, _DPD_DEF = 0.0326, 0.0115


def draw_pos(
    rng: np.random.Generator, clients: Clients, previous: Previous
) -> tuple[dict[str, Column], dict[str, Column]]:
    """Rows of the months before T0's month, and of that month and later."""
    loans = previous.loans()
    owner = previous.owner[loans]
    signed = clients.months_from_t0(owner, previous.decided[loans])
    start = np.maximum(signed, -HISTORY_MONTHS)
    delay = np.where(rng.random(loans.size) < 0.45, 30, 3)
    completed = clients.months_from_t0(owner, previous.last_due()[loans] + delay)
    last = np.minimum(completed, clients.months_ahead[owner])
    row, position = expand(np.maximum(last - start + 1, 0))
    month = start[row] + position
    loan = loans[row]
    passed = _instalments_passed(clients, previous, loan, month)
    done = month >= completed[row]
    term = np.where(done, previous.payments[loan], previous.term[loan])
    unknown = rng.random(row.size) < 0.0024
    dpd, dpd_def = _arrears(rng, clients, previous, loan, row, done)
    table: dict[str, Column] = {
        "SK_ID_PREV": previous.ids[loan],
        "SK_ID_CURR": clients.ids[previous.owner[loan]],
        "MONTHS_BALANCE": month,
        "CNT_INSTALMENT": masked(term, unknown),
        "CNT_INSTALMENT_FUTURE": masked(np.maximum(term - passed, 0), unknown),
        "NAME_CONTRACT_STATUS": Labels(_statuses(rng, month, signed[row], done), _STATUSES),
        "SK_DPD": dpd,
        "SK_DPD_DEF": dpd_def,
    }
    return rows_where(table, month < 0), rows_where(table, month >= 0)


def _instalments_passed(clients: Clients, previous: Previous, loan: Ints, month: Ints) -> Ints:
    """Instalments due by the end of each row's month."""
    owner = previous.owner[loan]
    following = (clients.month_zero[owner] + month + 1).astype("datetime64[M]").astype("datetime64[D]")
    month_end = following.astype(np.int64) - 1 - clients.day_zero[owner]
    passed = (month_end - previous.first_due[loan]) // 30 + 1
    clipped: Ints = np.clip(passed, 0, previous.payments[loan])
    return clipped


def _statuses(rng: np.random.Generator, month: Ints, signed: Ints, done: Bools) -> Ints:
    status = np.where(done, 1, 0)
    status = np.where((month == signed) & ~done & (rng.random(month.size) < 0.09), 2, status)
    rare = rng.random(month.size)
    status = np.where(rare < 4e-4, 3, np.where(rare < 8e-4, 4, np.where(rare < 1.2e-3, 5, status)))
    return np.where(done, 1, status).astype(np.int64)


def _arrears(
    rng: np.random.Generator, clients: Clients, previous: Previous, loan: Ints, row: Ints, done: Bools
) -> tuple[Ints, Ints]:
    """Days past due, with and without tolerance for small debts."""
    of_loan = rng.standard_normal(int(row.max()) + 1 if row.size else 0)
    discipline = clients.latent["discipline"][previous.owner[loan]]
    z = -0.4 * discipline + 0.55 * of_loan[row] + np.sqrt(1 - 0.16 - 0.3025) * rng.standard_normal(row.size)
    days = np.ceil(np.exp(rng.normal(1.8, 0.9, row.size)))
    stale = of_loan[row] > upper_tail(0.013)
    days = np.where(stale, np.ceil(rng.exponential(400, row.size)), days)
    dpd = np.where((z > upper_tail(_DPD * 0.75)) | stale, days, 0.0)
    tolerated = stale | (rng.random(row.size) > _DPD_DEF / (_DPD * 0.75))
    dpd = np.where(done, 0.0, dpd)
    return dpd.astype(np.int64), np.where(tolerated, 0.0, dpd).astype(np.int64)
