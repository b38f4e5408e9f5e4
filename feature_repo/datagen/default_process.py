"""The default process: the true PD of a client, from its form and from its realised history at T0.

Every term reads what the tables show (late share, debt ratio, refusals, ...), not the latent factors behind it, so
the PD is nearly recoverable from the tables; several terms bend or interact, so a linear model falls short.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from credit.schemas.raw import DAYS_SENTINEL
from feature_repo.datagen.application import Applications
from feature_repo.datagen.bureau import Credits
from feature_repo.datagen.cards import CardMonths
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.draws import Bools, Floats, Ints, Labels, logistic
from feature_repo.datagen.instalments import Payments, known_at_t0
from feature_repo.datagen.parameters import parameters
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
    def of(cls, book: Credits, table: Mapping[str, Floats | Ints | Labels]) -> Self:
        """The rows of the delivered table made from `book`."""

        def numbers(name: str) -> Floats:
            column = table[name]
            assert not isinstance(column, Labels)
            return column.astype(np.float64)

        state, past = table["CREDIT_ACTIVE"], book.before()
        assert isinstance(state, Labels)
        return cls(
            owner=book.owner[past],
            opened=book.opened[past],
            active=state.codes == state.names.index("Active"),
            amount=numbers("AMT_CREDIT_SUM"),
            debt=numbers("AMT_CREDIT_SUM_DEBT"),
            max_overdue=numbers("AMT_CREDIT_MAX_OVERDUE"),
        )


@dataclass(frozen=True, slots=True)
class History:
    """What the chunk's clients have done: the inputs of the history terms."""

    bureau: BureauRows
    previous: Previous
    payments: Payments
    card_months: CardMonths


@dataclass(frozen=True, slots=True)
class Term:
    """A weight in the log-odds per standard deviation of a statistic, given the statistic's centre and scale."""

    weight: float
    centre: float
    scale: float


#: Log-odds of a client at the centre of every term.
INTERCEPT = -2.966
TERMS: Mapping[str, Term] = {
    "scores": Term(-0.48, -0.07199, 1.368),
    "weak_scores": Term(0.08, 0.3444, 0.671),
    "male": Term(0.05, 0.3429, 0.4747),
    "years_employed": Term(-0.12, 1.653, 0.6764),
    "age": Term(0.18, 43.95, 11.84),
    "car_age": Term(0.05, 9.485, 5.168),
    "labels": Term(0.15, 0.1514, 0.4206),
    "rating": Term(0.04, 2.031, 0.4942),
    "markup": Term(0.08, 1.118, 0.1246),
    "short_term": Term(0.34, 0.2509, 0.3452),
    "middle_ratio": Term(0.2, 0.5239, 0.3512),
    "burden": Term(0.02, 0.1734, 0.09454),
    "young_burden": Term(0.04, 0.245, 0.5774),
    "young_man": Term(0.16, 1.271, 3.343),
    "weak_and_short": Term(0.12, 0.02739, 0.9504),
    "revolving": Term(-0.04, 0.08717, 0.2821),
    "phone": Term(0.02, -2.645, 2.236),
    "id_age": Term(0.03, -8.139, 4.046),
    "work_elsewhere": Term(0.03, 0.227, 0.4189),
    "document_3": Term(0.03, 0.7261, 0.446),
    "circle": Term(0.04, 0.1444, 0.4397),
    "no_record": Term(0.05, 0.1429, 0.35),
    "debt_ratio": Term(0.09, 0.3504, 0.3639),
    "credit_age": Term(-0.11, 3.16, 1.348),
    "recent_credits": Term(0.06, 0.825, 1.216),
    "open_share": Term(0.07, 0.3649, 0.2669),
    "ever_overdue": Term(0.08, 0.3336, 0.5991),
    "refused_share": Term(0.13, 0.102, 0.1483),
    "recent_refusals": Term(0.05, 0.5028, 0.8459),
    "approved_share": Term(-0.04, 0.7074, 0.2384),
    "late_share": Term(0.11, 0.1877, 0.1856),
    "recent_late_share": Term(0.08, 0.04599, 0.09324),
    "days_ahead": Term(-0.05, 6.591, 2.975),
    "atm_count": Term(0.09, 0.09838, 0.3195),
    "utilisation": Term(0.06, 0.2512, 0.198),
    "weak_and_late": Term(0.14, 0.08944, 0.7497),
    "debt_and_burden": Term(0.26, -0.0313, 0.8763),
    "refused_and_new": Term(0.18, 0.003997, 0.8551),
    "deep_debt": Term(0.12, 0.04093, 0.08479),
    "late_and_open": Term(0.18, 0.01508, 0.9148),
}


def probabilities(clients: Clients, applications: Applications, history: History) -> Floats:
    """The true PD per client, shape (n,)."""
    statistics = form_statistics(applications) | history_statistics(clients, history)
    return logistic(log_odds(statistics))


def log_odds(statistics: Mapping[str, Floats]) -> Floats:
    """The intercept and all terms, bends and interactions of the statistics, shape (n,)."""
    everything = {**statistics, **interactions(statistics)}
    total = np.full(statistics["scores"].size, INTERCEPT)
    for name, term in TERMS.items():
        total += term.weight * (everything[name] - term.centre) / term.scale
    return total


def interactions(statistics: Mapping[str, Floats]) -> dict[str, Floats]:
    """What only a pair of statistics tells: late payers with weak scores, new debt under a heavy burden, ..."""

    def standard(name: str) -> Floats:
        term = TERMS[name]
        return np.clip((statistics[name] - term.centre) / term.scale, -2, 2)

    weakness, late = -standard("scores"), standard("late_share")
    return {
        "weak_and_late": np.maximum(weakness, 0) * late,
        "weak_and_short": weakness * standard("short_term"),
        "debt_and_burden": standard("debt_ratio") * standard("burden"),
        "refused_and_new": standard("refused_share") * -standard("credit_age"),
        "late_and_open": late * standard("open_share"),
        "young_man": statistics["male"] * np.maximum(38 - statistics["age"], 0),
        "deep_debt": np.maximum(statistics["debt_ratio"] - 0.7, 0),
    }


def form_statistics(applications: Applications) -> dict[str, Floats]:
    """Statistics of the application form."""
    income, credit = applications.floats("AMT_INCOME_TOTAL"), applications.floats("AMT_CREDIT")
    annuity = np.nan_to_num(applications.floats("AMT_ANNUITY"), nan=25_000.0)
    goods = np.nan_to_num(applications.floats("AMT_GOODS_PRICE"), nan=450_000.0)
    employed = applications.floats("DAYS_EMPLOYED")
    working = employed != DAYS_SENTINEL
    years_employed = np.where(working, -employed / 365.25, 0.0)
    age = -applications.floats("DAYS_BIRTH") / 365.25
    term, ratio = credit / annuity, credit / income
    car_age = np.nan_to_num(applications.floats("OWN_CAR_AGE"), nan=9.0)
    revolving = (applications.labels("NAME_CONTRACT_TYPE").codes == 1).astype(np.float64)
    scores = score_mean(applications)
    return {
        "scores": scores,
        "weak_scores": np.maximum(-0.6 - scores, 0.0),
        "age": age,
        "male": (applications.labels("CODE_GENDER").codes == 1).astype(np.float64),
        "years_employed": np.log1p(years_employed) * working + 1.7 * ~working,
        "car_age": np.minimum(car_age, 40.0),
        "labels": label_effects(applications),
        "rating": applications.floats("REGION_RATING_CLIENT_W_CITY"),
        "markup": np.clip(credit / goods, 1.0, 1.6),
        "short_term": np.exp(-(((term - 14.5) / 3.5) ** 2)) * (1 - revolving),
        "middle_ratio": np.exp(-(((np.log(ratio) - 1.2) / 0.6) ** 2)),
        "burden": np.minimum(annuity / income, 0.6),
        "young_burden": np.maximum(35 - age, 0.0) * np.minimum(annuity / income, 0.6),
        "revolving": revolving,
        "phone": np.nan_to_num(applications.floats("DAYS_LAST_PHONE_CHANGE")) / 365.25,
        "id_age": applications.floats("DAYS_ID_PUBLISH") / 365.25,
        "work_elsewhere": applications.floats("REG_CITY_NOT_WORK_CITY"),
        "document_3": applications.floats("FLAG_DOCUMENT_3"),
        "circle": np.minimum(np.nan_to_num(applications.floats("DEF_30_CNT_SOCIAL_CIRCLE")), 3.0),
    }


#: Mean and standard deviation of each external score, and its weight.
_SCORES = (
    ("EXT_SOURCE_1", 0.502, 0.211, 0.9),
    ("EXT_SOURCE_2", 0.514, 0.191, 1.02),
    ("EXT_SOURCE_3", 0.511, 0.195, 1.08),
)


def score_mean(applications: Applications) -> Floats:
    """Standardised external scores, summed with weights that account for the missing ones."""
    total, present = np.zeros(applications.no_bureau.size), np.zeros(applications.no_bureau.size)
    for name, mean, deviation, weight in _SCORES:
        z = weight * (applications.floats(name) - mean) / deviation
        present += ~np.isnan(z)
        total += np.nan_to_num(z)
    shared: Floats = total / np.array([1.0, 1.0, 1.15, 1.3])[present.astype(np.int64)]
    return shared


def label_effects(applications: Applications) -> Floats:
    """Sum of the log-odds of the form's categories."""
    effect = np.zeros(applications.no_bureau.size)
    for name in (
        "NAME_EDUCATION_TYPE",
        "NAME_FAMILY_STATUS",
        "NAME_HOUSING_TYPE",
        "OCCUPATION_TYPE",
        "ORGANIZATION_TYPE",
        "NAME_INCOME_TYPE",
    ):
        column, log_odds_ = applications.labels(name), parameters().application.categories[name].log_odds
        padded = np.concatenate([log_odds_, np.zeros(len(column.names) - log_odds_.size + 1)])
        effect += padded[column.codes]
    return effect


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
    n, past = clients.size, months.month < 0
    count = _sum(n, months.owner, past)
    held = count > 0
    return {
        "atm_count": np.where(held, _sum(n, months.owner, past * months.atm_count) / np.maximum(count, 1), 0.0).clip(
            0, 3
        ),
        "utilisation": np.where(held, _sum(n, months.owner, past * months.utilisation) / np.maximum(count, 1), 0.2),
    }


def _sum(n: int, owner: Ints, values: Floats | Bools) -> Floats:
    return np.bincount(owner, weights=values, minlength=n).astype(np.float64)
