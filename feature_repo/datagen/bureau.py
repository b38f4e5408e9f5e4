"""Credits that the bureau reports, simulated over a client's whole life."""

from dataclasses import dataclass

import numpy as np

from feature_repo.datagen.application import Applications
from feature_repo.datagen.clients import HISTORY_DAYS, Clients
from feature_repo.datagen.columns import Bools, Floats, Ints
from feature_repo.datagen.draws import expand, from_quantiles, logistic, negative_binomial, pick, to_units, unique_ids
from feature_repo.datagen.parameters import parameters, shares_of

FIRST_BUREAU_ID, BUREAU_ID_BLOCK = 5_000_000, 10_000
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
    closed = opened.astype(np.float64) + np.maximum(np.round(life), 3.0)
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
    pace: Floats = np.clip(np.exp(rng.normal(-0.04, 0.33, duration.size)) * shorter, 0.05, 2.5)
    return pace


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
