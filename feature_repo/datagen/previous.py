"""Applications at the lender itself and the loans that came of them, simulated over a client's whole life."""

from dataclasses import dataclass

import numpy as np

from feature_repo.datagen.application import Applications
from feature_repo.datagen.clients import HISTORY_DAYS, Clients
from feature_repo.datagen.draws import (
    Bools,
    Floats,
    Ints,
    expand,
    from_quantiles,
    negative_binomial,
    pick,
    pick_rows,
    to_units,
    unique_ids,
    upper_tail,
)
from feature_repo.datagen.parameters import parameters

FIRST_PREVIOUS_ID, PREVIOUS_ID_BLOCK = 1_000_001, 10_000
CONSUMER, CASH, REVOLVING = 0, 1, 2
APPROVED, CANCELED, REFUSED, UNUSED = 0, 1, 2, 3
#: Clients with previous applications (public: 338,857 of 356,255) and applications per such client.
_HAS_PREVIOUS, _MEAN_PREVIOUS, _NB_SIZE = 338_857 / 356_255, 4.93, 1.7
#: Card holders among clients with previous applications (public: 103,558 clients with card balances).
_CARD_HOLDERS = 103_558 / 338_857
_CARD_SHARE_OF_ROWS = 103_558 / 1_670_214
_KIND_SHARES = np.array([0.4366, 0.4476, 0.1157])
#: Consumer and cash applications per year after T0, and the share of granted loans that are taken up.
_LATER_PER_YEAR, _TAKE_UP = 0.35, 0.9
_TERMS = {
    CONSUMER: ((4, 6, 8, 10, 12, 18, 24, 36), (0.05, 0.22, 0.06, 0.25, 0.26, 0.05, 0.09, 0.02)),
    CASH: ((6, 12, 18, 24, 30, 36, 42, 48, 60), (0.04, 0.24, 0.1, 0.22, 0.05, 0.15, 0.04, 0.08, 0.08)),
}


@dataclass(frozen=True, slots=True)
class Previous:
    """Previous applications, shape (m,); days relative to T0 over the whole simulated life.

    `payments` is the number of instalments until the loan ends (early repayment included), 0 without a loan.
    """

    owner: Ints
    ids: Ints
    kind: Ints
    status: Ints
    decided: Ints
    asked: Floats
    credit: Floats
    goods: Floats
    down: Floats
    annuity: Floats
    term: Ints
    payments: Ints
    first_due: Ints
    ended: Floats
    current: Bools

    def loans(self) -> Ints:
        """Positions of approved consumer and cash loans with a schedule."""
        return ((self.status == APPROVED) & (self.kind != REVOLVING) & (self.payments > 0)).nonzero()[0]

    def cards(self) -> Ints:
        """Positions of issued cards: at most one per client."""
        return ((self.status == APPROVED) & (self.kind == REVOLVING)).nonzero()[0]

    def last_due(self) -> Ints:
        """Day of the last instalment."""
        return self.first_due + 30 * (self.payments - 1)


def draw_previous(rng: np.random.Generator, clients: Clients, applications: Applications, chunk: int) -> Previous:
    """All applications of the chunk's clients: earlier ones, the one at T0 once granted, and later ones."""
    owner, kind, decided, card = _past(rng, clients)
    current = (
        (rng.random(clients.size) < _TAKE_UP) & (applications.labels("NAME_CONTRACT_TYPE").codes == 0)
    ).nonzero()[0]
    later = expand(rng.poisson(_LATER_PER_YEAR * clients.horizon / 365).astype(np.int64))[0]
    later_kind = pick(rng, np.array([0.7, 0.3]), later.size)
    later_day = 1 + (rng.random(later.size) * (clients.horizon[later] - 1)).astype(np.int64)
    owner = np.concatenate([owner, current, later])
    kind = np.concatenate([kind, np.full(current.size, CASH), later_kind])
    decided = np.concatenate([decided, rng.integers(1, 4, current.size), later_day])
    card = np.concatenate([card, np.zeros(current.size + later.size, dtype=np.bool_)])
    is_current = np.zeros(owner.size, dtype=np.bool_)
    is_current[owner.size - current.size - later.size : owner.size - later.size] = True
    status = _status(rng, clients, owner, kind, card, is_current)
    ids = unique_ids(rng, FIRST_PREVIOUS_ID + chunk * PREVIOUS_ID_BLOCK, PREVIOUS_ID_BLOCK, owner.size)
    return _with_terms(rng, clients, applications, _Draft(owner, ids, kind, status, decided, is_current))


@dataclass(frozen=True, slots=True)
class _Draft:
    owner: Ints
    ids: Ints
    kind: Ints
    status: Ints
    decided: Ints
    current: Bools


def _past(rng: np.random.Generator, clients: Clients) -> tuple[Ints, Ints, Ints, Bools]:
    """Owner, kind, decision day and card flag of applications before T0."""
    latent = clients.latent
    has = rng.random(clients.size) < _HAS_PREVIOUS
    holder = has & (
        0.2 * latent["appetite"] + np.sqrt(0.96) * rng.standard_normal(clients.size) > upper_tail(_CARD_HOLDERS)
    )
    mean = (_MEAN_PREVIOUS - 1) * np.exp(0.35 * latent["activity"] - 0.06)
    others = np.where(has, 1 + negative_binomial(rng, mean, _NB_SIZE), 0)
    others = np.maximum(others - holder, has & ~holder)
    shares = _KIND_SHARES - np.array([0, 0, _CARD_SHARE_OF_ROWS])
    owner = np.concatenate([expand(others)[0], holder.nonzero()[0]])
    kind = np.concatenate([pick(rng, shares / shares.sum(), int(others.sum())), np.full(holder.sum(), REVOLVING)])
    card = np.arange(owner.size) >= others.sum()
    z = 0.3 * latent["newness"][owner] + np.sqrt(0.91) * rng.standard_normal(owner.size)
    z = np.where(card, z - 0.25, z)
    days = np.round(from_quantiles(z, parameters().previous["days_decision"])).astype(np.int64)
    return owner, kind, np.clip(days, -HISTORY_DAYS, -1), card


def _status(rng: np.random.Generator, clients: Clients, owner: Ints, kind: Ints, card: Bools, current: Bools) -> Ints:
    """Outcome by product; the poorly accepted are refused more often."""
    by_type = parameters().previous["status_by_type"]
    base = np.array(
        [
            [shares[name] for name in ("Approved", "Canceled", "Refused", "Unused offer")]
            for shares in (
                by_type["Consumer loans"],
                by_type["Cash loans"],
                {"Approved": 0.0, "Canceled": 0.47, "Refused": 0.53, "Unused offer": 0.0},
            )
        ]
    )
    weights = base[kind]
    acceptance = clients.latent["acceptance"][owner]
    weights[:, REFUSED] *= np.exp(-0.95 * acceptance - 0.4)
    status = pick_rows(rng, weights)
    return np.where(card | current, APPROVED, status).astype(np.int64)


def _with_terms(rng: np.random.Generator, clients: Clients, applications: Applications, draft: _Draft) -> Previous:
    owner, kind, m = draft.owner, draft.kind, draft.owner.size
    z_income = clients.latent["AMT_INCOME_TOTAL"][owner]
    size = 0.35 * z_income + 0.2 * clients.latent["appetite"][owner] + 0.9 * rng.standard_normal(m)
    goods = np.select(
        [kind == CONSUMER, kind == CASH],
        [np.exp(11.15 + 0.72 * size), np.exp(12.45 + 0.8 * size)],
        np.exp(12.0 + 0.6 * size),
    )
    goods = np.where(kind == CONSUMER, to_units(goods), np.maximum(to_units(goods, 4_500), 22_500))
    goods = np.where(draft.current, np.nan_to_num(applications.floats("AMT_GOODS_PRICE")[owner], nan=450_000.0), goods)
    rate = np.maximum(from_quantiles(rng.standard_normal(m), parameters().previous["down_payment_rate"]), 0)
    down = np.where(kind == CONSUMER, to_units(goods * np.minimum(rate, 0.9)), 0.0)
    markup = np.where(rng.random(m) < 0.4, 1.0, 1 + 0.15 * rng.random(m))
    credit = np.where(kind == REVOLVING, goods, to_units((goods - down) * markup))
    credit = np.where(draft.current, applications.floats("AMT_CREDIT")[owner], credit)
    term = _terms(rng, kind)
    annuity = np.where(kind == REVOLVING, credit / 20, credit * (1 + 0.018 * term) / np.maximum(term, 1))
    annuity = np.round(to_units(annuity, 0.045), 3)
    own_annuity = np.nan_to_num(applications.floats("AMT_ANNUITY")[owner], nan=25_000.0)
    annuity = np.where(draft.current, own_annuity, annuity)
    term = np.where(draft.current, np.clip(np.round(credit * 1.25 / own_annuity), 6, 60), term).astype(np.int64)
    payments, first_due = _schedule(rng, draft, term)
    ended = first_due + 30.0 * (payments - 1) + np.round(np.exp(rng.normal(1.7, 0.6, m)) + 1)
    return Previous(
        owner=owner,
        ids=draft.ids,
        kind=kind,
        status=draft.status,
        decided=draft.decided,
        asked=goods,
        credit=credit,
        goods=goods,
        down=down,
        annuity=annuity,
        term=term,
        payments=payments,
        first_due=first_due,
        ended=np.where(payments > 0, ended, np.inf),
        current=draft.current,
    )


def _terms(rng: np.random.Generator, kind: Ints) -> Ints:
    term = np.zeros(kind.size, dtype=np.int64)
    for product, (months, shares) in _TERMS.items():
        rows = (kind == product).nonzero()[0]
        term[rows] = np.array(months)[pick(rng, np.array(shares), rows.size)]
    return term


def _schedule(rng: np.random.Generator, draft: _Draft, term: Ints) -> tuple[Ints, Ints]:
    """Number of instalments until the end (early repayments included) and the first due day."""
    m = term.size
    early = rng.random(m) < np.where(draft.kind == CASH, 0.5, 0.3)
    stop = np.ceil(term * rng.uniform(0.15, 1.0, m)).astype(np.int64)
    lent = (draft.status == APPROVED) & (draft.kind != REVOLVING) & (rng.random(m) > 0.035)
    payments = np.where(lent, np.where(early, np.maximum(stop, 1), term), 0)
    lag = np.array([30, 30, 31, 31, 33, 45, 56])[pick(rng, np.array([0.35, 0.2, 0.17, 0.13, 0.08, 0.05, 0.02]), m)]
    return payments.astype(np.int64), draft.decided + lag
