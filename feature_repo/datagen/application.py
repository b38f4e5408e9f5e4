"""The application form: person, work, money, external scores, enquiries, documents, housing."""

from dataclasses import dataclass

import numpy as np

from credit.clock import WEEKDAYS
from feature_repo.datagen.clients import Clients
from feature_repo.datagen.columns import Bools, Column, Floats, Labels, Table, labels, numbers
from feature_repo.datagen.contacts import contact_columns
from feature_repo.datagen.draws import pick, upper_tail
from feature_repo.datagen.housing import housing_columns
from feature_repo.datagen.money import money_columns, score_columns
from feature_repo.datagen.parameters import parameters
from feature_repo.datagen.person import person_columns, work_columns


@dataclass(frozen=True, slots=True)
class Applications:
    """Application columns by name, each of shape (n,), and the flag of clients without any bureau record."""

    columns: Table
    no_bureau: Bools

    def floats(self, name: str) -> Floats:
        """A numeric column as floats, NaN where missing."""
        return numbers(self.columns, name)

    def labels(self, name: str) -> Labels:
        """A text column."""
        return labels(self.columns, name)


def draw_applications(rng: np.random.Generator, clients: Clients) -> Applications:
    """Every application column of the chunk's clients but TARGET."""
    no_bureau = clients.latent["activity"] * -0.35 + np.sqrt(1 - 0.35**2) * rng.standard_normal(clients.size)
    unknown = no_bureau > upper_tail(1 - 305_811 / 356_255)
    columns: dict[str, Column] = {"SK_ID_CURR": clients.ids, "HOUR_APPR_PROCESS_START": clients.hour}
    columns["WEEKDAY_APPR_PROCESS_START"] = Labels(clients.weekday, WEEKDAYS)
    person = person_columns(rng, clients)
    columns |= (
        person | work_columns(rng, clients, person) | money_columns(rng, clients) | score_columns(rng, clients, unknown)
    )
    columns |= contact_columns(rng, clients) | _documents(rng, clients, columns) | housing_columns(rng, clients)
    return Applications(columns, unknown)


def _documents(rng: np.random.Generator, clients: Clients, columns: Table) -> dict[str, Column]:
    """Document flags: about one per cash loan (mostly document 3), none for a revolving one."""
    settings, n = parameters().application, clients.size
    cash = labels(columns, "NAME_CONTRACT_TYPE").codes == 0
    flags: dict[str, Column] = {}
    main = pick(rng, np.array([0.793, 0.097, 0.087, 0.017, 0.006]), n)
    for name, rate in settings.rates.items():
        if not name.startswith("FLAG_DOCUMENT_"):
            continue
        number = int(name.rsplit("_", 1)[1])
        kind = {3: 0, 6: 1, 8: 2, 5: 3}.get(number)
        flag = cash & (main == kind) if kind is not None else rng.random(n) < rate
        flags[name] = flag.astype(np.int64)
    return flags
