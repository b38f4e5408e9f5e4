"""The default process: the true PD of a client, from its form and from its realised history at T0.

Every term reads what the tables show (late share, debt ratio, refusals, ...), not the latent factors behind it, so
the PD is nearly recoverable from the tables; several terms bend or interact, so a linear model falls short.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from feature_repo.datagen.application import Applications
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Floats
from feature_repo.datagen.draws import logistic
from feature_repo.datagen.form_statistics import form_statistics
from feature_repo.datagen.history_statistics import History, history_statistics


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
        clipped: Floats = np.clip((statistics[name] - term.centre) / term.scale, -2, 2)
        return clipped

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
