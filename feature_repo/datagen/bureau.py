"""Credits reported by the bureau: simulated over a client's whole life, told as known on a given day."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from feature_repo.datagen.application import Applications
from feature_repo.datagen.clients import HISTORY_DAYS, Clients
from feature_repo.datagen.draws import (
    Bools,
    Floats,
    Ints,
    Labels,
    expand,
    from_quantiles,
    logistic,
    masked,
    negative_binomial,
    pick,
    to_units,
    unique_ids,
)
from feature_repo.datagen.parameters import parameters, shares_of

Column: TypeAlias = "Floats | Ints | Labels"

FIRST_BUREAU_ID, BUREAU_ID_BLOCK = 5_000_000, 10_000
_ACTIVE, _CLOSED, _SOLD = 0, 1, 2
_STATES = ("Active", "Closed", "Sold", "Bad debt")
#: Credits per client with a record, and the spread of the counts (public file: mean 5.613, std 4.57).
_MEAN_CREDITS, _NB_SIZE, _ACTIVITY_EFFECT, _MOST_CREDITS = 5.613, 2.0, 0.4, 116
#: New credits per year after T0 against those per year before.
_LATER_RATE = 0.8


@dataclass(frozen=True, slots=True)
class Credits:
    """Bureau credits, shape (m,): days relative to T0 over the whole simulated life."""

    owner: Ints
    ids: Ints
    kind: Ints
    opened: Ints
    planned_end: Floats
    closed: Floats
    amount: Floats
    debt_ratio: Floats
    overdue: Bools
    past_overdue: Floats
    sold: Bools
    update_age: Ints
    noise: Floats

    def before(self) -> Bools:
        """Credits opened by T0."""
        return self.opened <= 0


def draw_credits(rng: np.random.Generator, clients: Clients, applications: Applications, chunk: int) -> Credits:
    """All credits of the chunk's clients, opened before and after T0."""
    counts = _count_credits(rng, clients, ~applications.no_bureau)
    later_rate = _LATER_RATE * counts * clients.horizon / HISTORY_DAYS
    later = np.minimum(rng.poisson(later_rate), 12).astype(np.int64)
    past_owner, future_owner = expand(counts)[0], expand(later)[0]
    opened = np.concatenate([_opening_days(rng, clients, past_owner), _future_days(rng, clients, future_owner)])
    owner = np.concatenate([past_owner, future_owner])
    first = FIRST_BUREAU_ID + chunk * BUREAU_ID_BLOCK
    ids = unique_ids(rng, first, BUREAU_ID_BLOCK, owner.size)
    return _complete(rng, clients, owner, opened, ids)


def _count_credits(rng: np.random.Generator, clients: Clients, has_record: Bools) -> Ints:
    activity = clients.latent["activity"]
    mean = (_MEAN_CREDITS - 1) * np.exp(_ACTIVITY_EFFECT * activity - _ACTIVITY_EFFECT**2 / 2)
    counts = 1 + negative_binomial(rng, mean * 0.965, _NB_SIZE)
    return np.where(has_record, np.minimum(counts, _MOST_CREDITS), 0).astype(np.int64)


def _opening_days(rng: np.random.Generator, clients: Clients, owner: Ints) -> Ints:
    z = 0.45 * clients.latent["newness"][owner] + np.sqrt(1 - 0.45**2) * rng.standard_normal(owner.size)
    days = np.round(from_quantiles(z, parameters().bureau["days_credit"])).astype(np.int64)
    return np.clip(days, -HISTORY_DAYS, 0)


def _future_days(rng: np.random.Generator, clients: Clients, owner: Ints) -> Ints:
    return 1 + (rng.random(owner.size) * (clients.horizon[owner] - 1)).astype(np.int64)


def _complete(rng: np.random.Generator, clients: Clients, owner: Ints, opened: Ints, ids: Ints) -> Credits:
    latent, m = clients.latent, owner.size
    kinds, shares = shares_of(parameters().bureau["types"])
    kind = pick(rng, shares, m)
    profile = _profile(kinds)[kind]
    duration = _by_profile(0.9 * rng.standard_normal(m), profile, "duration")
    amount = _by_profile(
        0.35 * latent["AMT_INCOME_TOTAL"][owner] + 0.2 * latent["appetite"][owner] + 0.9 * rng.standard_normal(m),
        profile,
        "amount",
    )
    amount = np.where(rng.random(m) < 0.5, to_units(amount, 450), to_units(amount))
    card = kind == kinds.index("Credit card")
    discipline = latent["discipline"][owner]
    life = np.where(card, rng.exponential(3_300, m) + 30, duration * _pace(rng, duration))
    closed = opened + np.maximum(np.round(life), 3.0)
    return Credits(
        owner=owner,
        ids=ids,
        kind=kind,
        opened=opened,
        planned_end=_planned_end(rng, opened, duration, card, closed),
        closed=closed,
        amount=np.where(rng.random(m) < 0.037, 0.0, amount),
        debt_ratio=_debt_ratio(rng, clients, owner, profile, -opened / np.maximum(life, 1)),
        overdue=rng.random(m) < logistic(-5.3 - 0.9 * discipline),
        past_overdue=_past_overdue(rng, discipline, amount),
        sold=rng.random(m) < 0.013,
        update_age=_update_age(rng, m),
        noise=rng.random(m),
    )


def _profile(kinds: tuple[str, ...]) -> Ints:
    """Which of the four measured amount and duration profiles each credit type follows."""
    profiles = list(parameters().bureau["by_type"])
    consumer = profiles.index("Consumer credit")
    return np.array([profiles.index(kind) if kind in profiles else consumer for kind in kinds], dtype=np.int64)


def _by_profile(z: Floats, profile: Ints, field: str) -> Floats:
    values = np.zeros(z.size)
    for number, spec in enumerate(parameters().bureau["by_type"].values()):
        chosen = profile == number
        values[chosen] = from_quantiles(z[chosen], spec[field])
    return values


def _pace(rng: np.random.Generator, duration: Floats) -> Floats:
    """Real against planned duration: most credits end near the plan, long ones much earlier, some run over."""
    shorter = np.minimum((1_000 / np.maximum(duration, 1)) ** 0.9, 1.0)
    return np.clip(np.exp(rng.normal(-0.04, 0.33, duration.size)) * shorter, 0.05, 2.5)


def _planned_end(rng: np.random.Generator, opened: Ints, duration: Floats, card: Bools, closed: Floats) -> Floats:
    """Planned maturity: open cards are renewed, some have none (years ahead)."""
    end = opened + np.round(duration)
    renewed = card & (end < 0) & (closed > 0) & (rng.random(end.size) < 0.5)
    end = np.where(renewed, np.round(rng.uniform(1, 1_500, end.size)), end)
    endless = card & (rng.random(end.size) < 0.12)
    return np.where(endless, rng.integers(30_900, 31_199, end.size) + np.maximum(opened / 10, -300.0).round(), end)


def _debt_ratio(rng: np.random.Generator, clients: Clients, owner: Ints, profile: Ints, elapsed: Floats) -> Floats:
    """Debt over credit sum of an open credit at T0: higher for the indebted and for young credits."""
    remaining = np.clip(2.2 * (0.5 - np.clip(elapsed, 0, 1)), -1.5, 1.5)
    z = 0.6 * clients.latent["appetite"][owner] + 0.45 * remaining + 0.6 * rng.standard_normal(owner.size)
    return _by_profile(z, profile, "debt_ratio")


def _past_overdue(rng: np.random.Generator, discipline: Floats, amount: Floats) -> Floats:
    happened = rng.random(discipline.size) < logistic(-1.4 - 0.6 * discipline)
    share = np.minimum(np.exp(rng.normal(-3.0, 1.3, discipline.size)), 1.2)
    return np.where(happened, np.round(np.maximum(amount, 45_000) * share, 2), 0.0)


def _update_age(rng: np.random.Generator, size: int) -> Ints:
    age = from_quantiles(rng.standard_normal(size), parameters().bureau["active_update_age"])
    return np.maximum(np.round(age), 1).astype(np.int64)


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
    return np.where(np.isnan(closed_on), active, closed).astype(np.int64)


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
    late = Credits(
        **{name: getattr(book, name) for name in book.__slots__}
        | {
            "overdue": book.overdue | defaulted,
        }
    )
    open_at_t0 = (book.opened <= 0) & (book.closed > 0) & (rng.random(book.owner.size) < 0.85)
    table = bureau_table(clients, late, horizon, open_at_t0 | (book.opened > 0))
    update = table["DAYS_CREDIT_UPDATE"]
    assert not isinstance(update, Labels)
    fresh = update > 0
    return {name: _rows(column, fresh) for name, column in table.items()}


def _rows(column: Column, chosen: Bools) -> Column:
    return column.take(chosen) if isinstance(column, Labels) else column[chosen]
