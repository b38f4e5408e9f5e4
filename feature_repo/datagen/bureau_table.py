"""bureau rows as known on a given day."""

from dataclasses import replace

import numpy as np

from feature_repo.datagen.bureau import Credits
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Bools, Column, Floats, Ints, Labels, masked, numbers, rows_where
from feature_repo.datagen.draws import to_units
from feature_repo.datagen.parameters import parameters, shares_of

_ACTIVE, _CLOSED, _SOLD = 0, 1, 2
_STATES = ("Active", "Closed", "Sold", "Bad debt")


def bureau_table(clients: Clients, book: Credits, at: Ints, chosen: Bools) -> dict[str, Column]:
    """The bureau rows of the chosen credits as known on day `at` (shape (m,)) of each credit.

    Closed credits never end after `at`, and no update precedes the opening.
    """
    part = chosen.nonzero()[0]
    owner, opened, now = book.owner[part], book.opened[part], at[part]
    state = _states(book, part, now)
    closed_on = np.where(state == _CLOSED, np.minimum(book.closed[part], now), np.nan)
    sold_end = (state == _SOLD) & (book.noise[part] < 0.36)
    update = _update_days(book, part, now, closed_on)
    missing = _missing_flags(book, part, state)
    debt, limit = _debt(book, part, state, now)
    overdue_days = np.where((state != _CLOSED) & book.overdue[part], 5 + 60 * book.noise[part], 0.0).round()
    annuity = np.where(book.noise[part] < 0.5, 0.0, to_units(book.amount[part] / (12 + 36 * book.noise[part])))
    return {
        "SK_ID_CURR": clients.ids[owner],
        "SK_ID_BUREAU": book.ids[part],
        "CREDIT_ACTIVE": Labels(state, _STATES),
        "CREDIT_CURRENCY": _currency(book, part),
        "DAYS_CREDIT": opened,
        "CREDIT_DAY_OVERDUE": overdue_days.astype(np.int64),
        "DAYS_CREDIT_ENDDATE": masked(book.planned_end[part], missing["DAYS_CREDIT_ENDDATE"]),
        "DAYS_ENDDATE_FACT": np.where(sold_end, np.minimum(update, now), closed_on),
        "AMT_CREDIT_MAX_OVERDUE": masked(book.past_overdue[part], missing["AMT_CREDIT_MAX_OVERDUE"]),
        "CNT_CREDIT_PROLONG": (book.noise[part] * 7919 % 1 < 0.0065).astype(np.int64),
        "AMT_CREDIT_SUM": book.amount[part],
        "AMT_CREDIT_SUM_DEBT": masked(debt, missing["AMT_CREDIT_SUM_DEBT"]),
        "AMT_CREDIT_SUM_LIMIT": masked(limit, missing["AMT_CREDIT_SUM_LIMIT"]),
        "AMT_CREDIT_SUM_OVERDUE": np.where(overdue_days > 0, np.round(debt.clip(0) * 0.05, 2), 0.0),
        "CREDIT_TYPE": Labels(book.kind[part], shares_of(parameters().bureau["types"])[0]),
        "DAYS_CREDIT_UPDATE": update,
        "AMT_ANNUITY": masked(annuity, missing["AMT_ANNUITY"]),
    }


def _states(book: Credits, part: Ints, now: Ints) -> Ints:
    state = np.where(book.closed[part] <= now, _CLOSED, _ACTIVE)
    return np.where((state == _ACTIVE) & book.sold[part], _SOLD, state).astype(np.int64)


def _update_days(book: Credits, part: Ints, now: Ints, closed_on: Floats) -> Ints:
    active = now - np.minimum(book.update_age[part], now - book.opened[part])
    lag_points = parameters().bureau["closed_update_lag"]
    lag = np.interp(book.noise[part], [0.05, 0.25, 0.5, 0.75, 0.95], lag_points)
    closed = np.minimum(np.nan_to_num(closed_on) + np.round(lag), now)
    update: Ints = np.where(np.isnan(closed_on), active, closed).astype(np.int64)
    return update


def _missing_flags(book: Credits, part: Ints, state: Ints) -> dict[str, Bools]:
    """Missing values, stable per credit: a later report of a credit misses the same columns."""
    flags = {}
    for number, (name, rates) in enumerate(parameters().bureau["missing"].items()):
        rate = np.array([rates.get(label, rates["Active"]) for label in _STATES])
        flags[name] = (book.noise[part] * (1009 + 97 * number)) % 1 < rate[state]
    return flags


def _debt(book: Credits, part: Ints, state: Ints, now: Ints) -> tuple[Floats, Floats]:
    """Debt and limit on day `now`: what was open at T0 (or at the opening) shrinks linearly to the closing."""
    start = np.maximum(book.opened[part], 0)
    left = np.clip((book.closed[part] - now) / np.maximum(book.closed[part] - start, 1), 0, 1)
    ratio = book.debt_ratio[part] * np.where(now > start, left, 1.0)
    debt = np.where(state == _CLOSED, 0.0, np.round(book.amount[part] * ratio, 2))
    debt = np.where((debt == 0) & (book.noise[part] > 0.99), -np.round(book.noise[part] * 4_000, 2), debt)
    card = book.kind[part] == 1
    limit = np.where(card & (state == _ACTIVE) & (book.noise[part] > 0.55), book.amount[part] - debt, 0.0)
    return debt, np.round(np.maximum(limit, 0), 2)


def _currency(book: Credits, part: Ints) -> Labels:
    names, shares = shares_of(parameters().bureau["currencies"])
    codes = np.searchsorted(np.cumsum(shares), (book.noise[part] * 613) % 1, side="right")
    return Labels(np.minimum(codes, len(names) - 1).astype(np.int64), names)


def later_credits(rng: np.random.Generator, clients: Clients, book: Credits, target: Ints) -> dict[str, Column]:
    """Reports after T0: closings and updates of credits open at T0, and new credits; defaulters fall overdue."""
    horizon = clients.horizon[book.owner]
    defaulted = (target[book.owner] == 1) & (rng.random(book.owner.size) < 0.3)
    late = replace(book, overdue=book.overdue | defaulted)
    open_at_t0 = (book.opened <= 0) & (book.closed > 0) & (rng.random(book.owner.size) < 0.85)
    table = bureau_table(clients, late, horizon, open_at_t0 | (book.opened > 0))
    return rows_where(table, numbers(table, "DAYS_CREDIT_UPDATE") > 0)
