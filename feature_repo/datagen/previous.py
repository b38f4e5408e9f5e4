"""Applications at the lender itself and the loans that came of them, simulated over a client's whole life."""

from dataclasses import dataclass

import numpy as np

from feature_repo.datagen.application import Applications
from feature_repo.datagen.clients import HISTORY_DAYS, Clients
from feature_repo.datagen.columns import Bools, Floats, Ints
from feature_repo.datagen.draws import (
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
#: Products and outcomes (approved, cancelled, refused, unused) of applications beyond the first loan and the card.
_OTHER_KINDS = np.array([0.302, 0.593, 0.105])
_OTHER_OUTCOMES = np.array([[0.753, 0.005, 0.172, 0.07], [0.425, 0.34, 0.235, 0.0], [0.0, 0.47, 0.53, 0.0]])
#: Consumer and cash applications per year after T0, and the share of granted loans that are taken up.
_LATER_PER_YEAR, _TAKE_UP = 0.35, 0.9
_TERMS = {
    CONSUMER: ((4, 6, 8, 10, 12, 18, 24, 36), (0.05, 0.22, 0.06, 0.25, 0.26, 0.05, 0.09, 0.02)),
    CASH: ((6, 12, 18, 24, 30, 36, 42, 48, 60), (0.06, 0.32, 0.1, 0.22, 0.04, 0.12, 0.02, 0.07, 0.05)),
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
    credit: Floats
    goods: Floats
    down: Floats
    annuity: Floats
    term: Ints
    payments: Ints
    first_due: Ints
    ended: Floats

    def loans(self) -> Ints:
        """Positions of approved consumer and cash loans with a schedule."""
        return np.flatnonzero((self.status == APPROVED) & (self.kind != REVOLVING) & (self.payments > 0))

    def cards(self) -> Ints:
        """Positions of issued cards: at most one per client."""
        return np.flatnonzero((self.status == APPROVED) & (self.kind == REVOLVING))

    def last_due(self) -> Ints:
        """Day of the last instalment."""
        return self.first_due + 30 * (self.payments - 1)


@dataclass(frozen=True, slots=True)
class _Draft:
    owner: Ints
    kind: Ints
    status: Ints
    decided: Ints
    current: Bools

    def joined(self, other: "_Draft") -> "_Draft":
        """Both, one after the other."""
        return _Draft(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in self.__slots__))


def draw_previous(rng: np.random.Generator, clients: Clients, applications: Applications, chunk: int) -> Previous:
    """All applications of the chunk's clients: earlier ones, the one at T0 once granted, and later ones."""
    draft = _past(rng, clients).joined(_future(rng, clients, applications))
    ids = unique_ids(rng, FIRST_PREVIOUS_ID + chunk * PREVIOUS_ID_BLOCK, PREVIOUS_ID_BLOCK, draft.owner.size)
    return _with_terms(rng, clients, applications, draft, ids)


def _past(rng: np.random.Generator, clients: Clients) -> _Draft:
    """Applications before T0: each client's first was a granted consumer loan, a card holder's last row is the card."""
    latent, n = clients.latent, clients.size
    has = rng.random(n) < _HAS_PREVIOUS
    z = 0.2 * latent["appetite"] + np.sqrt(0.96) * rng.standard_normal(n)
    holder = has & (z > upper_tail(_CARD_HOLDERS))
    mean = 0.985 * (_MEAN_PREVIOUS - 1) * np.exp(0.35 * latent["activity"] - 0.06)
    others = np.where(has, negative_binomial(rng, mean, _NB_SIZE), 0)
    others = np.maximum(others - holder, 0)
    owner = np.concatenate([has.nonzero()[0], expand(others)[0], holder.nonzero()[0]])
    firsts, total = int(has.sum()), owner.size
    first, card = np.arange(total) < firsts, np.arange(total) >= firsts + others.sum()
    kind = np.where(first, CONSUMER, np.where(card, REVOLVING, pick(rng, _OTHER_KINDS, total)))
    status = np.where(first | card, APPROVED, _outcomes(rng, clients, owner, kind))
    decided = _decision_days(rng, clients, owner, status, first, card)
    return _Draft(owner, kind, status, decided, np.zeros(total, dtype=np.bool_))


def _outcomes(rng: np.random.Generator, clients: Clients, owner: Ints, kind: Ints) -> Ints:
    """Outcome by product; the poorly accepted are refused more often."""
    weights = _OTHER_OUTCOMES[kind]
    weights[:, REFUSED] *= np.exp(-0.95 * clients.latent["acceptance"][owner] - 0.3)
    return pick_rows(rng, weights)


def _decision_days(
    rng: np.random.Generator, clients: Clients, owner: Ints, status: Ints, first: Bools, card: Bools
) -> Ints:
    """Days of decision: loans were granted earlier than offers were cancelled or refused."""
    z = 0.3 * clients.latent["newness"][owner] + np.sqrt(0.91) * rng.standard_normal(owner.size)
    z += np.select([first, card, status == APPROVED], [-0.5, -0.45, -0.2], 0.4)
    days = np.round(from_quantiles(z, parameters().previous["days_decision"])).astype(np.int64)
    return np.clip(np.where(first, np.minimum(days, -60), days), -HISTORY_DAYS, -1)


def _future(rng: np.random.Generator, clients: Clients, applications: Applications) -> _Draft:
    """The loan applied for at T0, once granted and taken up, and loans granted later."""
    cash = applications.labels("NAME_CONTRACT_TYPE").codes == 0
    current = ((rng.random(clients.size) < _TAKE_UP) & cash).nonzero()[0]
    later = expand(rng.poisson(_LATER_PER_YEAR * clients.horizon / 365))[0]
    day = 1 + (rng.random(later.size) * (clients.horizon[later] - 1)).astype(np.int64)
    kind = np.concatenate([np.full(current.size, CASH), pick(rng, np.array([0.7, 0.3]), later.size)])
    owner = np.concatenate([current, later])
    decided = np.concatenate([rng.integers(1, 4, current.size), day])
    return _Draft(owner, kind, np.full(owner.size, APPROVED), decided, np.arange(owner.size) < current.size)


def _with_terms(
    rng: np.random.Generator, clients: Clients, applications: Applications, draft: _Draft, ids: Ints
) -> Previous:
    goods = _goods_price(rng, clients, applications, draft)
    down, credit = _credit(rng, applications, draft, goods)
    annuity, term = _annuity(rng, applications, draft, credit)
    payments, first_due = _schedule(rng, draft, term)
    handling = np.round(np.exp(rng.normal(1.7, 0.6, ids.size)) + 1)
    return Previous(
        owner=draft.owner,
        ids=ids,
        kind=draft.kind,
        status=draft.status,
        decided=draft.decided,
        credit=credit,
        goods=goods,
        down=down,
        annuity=annuity,
        term=term,
        payments=payments,
        first_due=first_due,
        ended=np.where(payments > 0, first_due + 30.0 * (payments - 1) + handling, np.inf),
    )


def _goods_price(rng: np.random.Generator, clients: Clients, applications: Applications, draft: _Draft) -> Floats:
    """What the client asked for; the loan applied for at T0 has the form's price."""
    owner, kind = draft.owner, draft.kind
    size = 0.35 * clients.latent["AMT_INCOME_TOTAL"][owner] + 0.2 * clients.latent["appetite"][owner]
    size = size + 0.9 * rng.standard_normal(owner.size)
    location, scale = np.array([11.05, 12.55, 12.0])[kind], np.array([0.72, 0.8, 0.6])[kind]
    price = np.exp(location + scale * size)
    price = np.where(kind == CONSUMER, to_units(price), np.maximum(to_units(price, 4_500), 22_500))
    form = np.nan_to_num(applications.floats("AMT_GOODS_PRICE")[owner], nan=450_000.0)
    return np.where(draft.current, form, price)


def _credit(
    rng: np.random.Generator, applications: Applications, draft: _Draft, goods: Floats
) -> tuple[Floats, Floats]:
    """Down payment (consumer loans only) and amount lent, with insurance on top for most."""
    rate = np.maximum(from_quantiles(rng.standard_normal(goods.size), parameters().previous["down_payment_rate"]), 0)
    down = np.where(draft.kind == CONSUMER, to_units(goods * np.minimum(rate, 0.9)), 0.0)
    markup = np.where(rng.random(goods.size) < 0.4, 1.0, 1 + 0.15 * rng.random(goods.size))
    credit = np.where(draft.kind == REVOLVING, goods, to_units((goods - down) * markup))
    return down, np.where(draft.current, applications.floats("AMT_CREDIT")[draft.owner], credit)


def _annuity(
    rng: np.random.Generator, applications: Applications, draft: _Draft, credit: Floats
) -> tuple[Floats, Ints]:
    """Monthly instalment and number of months; a revolving loan has a twentieth and no term."""
    term = _terms(rng, draft.kind)
    monthly = np.where(draft.kind == REVOLVING, credit / 20, credit * (1 + 0.012 * term) / np.maximum(term, 1))
    form = np.nan_to_num(applications.floats("AMT_ANNUITY")[draft.owner], nan=25_000.0)
    months = np.clip(np.round(credit * 1.25 / form), 6, 60)
    annuity = np.where(draft.current, form, np.round(to_units(monthly, 0.045), 3))
    return annuity, np.where(draft.current, months, term).astype(np.int64)


def _terms(rng: np.random.Generator, kind: Ints) -> Ints:
    term = np.zeros(kind.size, dtype=np.int64)
    for product, (months, shares) in _TERMS.items():
        rows = (kind == product).nonzero()[0]
        term[rows] = np.array(months)[pick(rng, np.array(shares), rows.size)]
    return term


def _schedule(rng: np.random.Generator, draft: _Draft, term: Ints) -> tuple[Ints, Ints]:
    """Number of instalments until the end (early repayments included) and the first due day."""
    m = term.size
    early = rng.random(m) < np.where(draft.kind == CASH, 0.65, 0.4)
    stop = np.ceil(term * rng.uniform(0.1, 0.95, m)).astype(np.int64)
    lent = (draft.status == APPROVED) & (draft.kind != REVOLVING) & (rng.random(m) > 0.02)
    payments = np.where(lent, np.where(early, np.maximum(stop, 1), term), 0)
    lag = np.array([30, 30, 31, 31, 33, 45, 56])[pick(rng, np.array([0.35, 0.2, 0.17, 0.13, 0.08, 0.05, 0.02]), m)]
    return payments.astype(np.int64), draft.decided + lag
