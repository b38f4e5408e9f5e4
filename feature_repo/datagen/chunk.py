"""One chunk of the portfolio: clients, their histories, their true PDs, their outcomes, their later lives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from feature_repo.datagen.application import Applications, draw_applications
from feature_repo.datagen.bureau import draw_credits
from feature_repo.datagen.bureau_balance import draw_balances
from feature_repo.datagen.bureau_table import bureau_table, later_credits
from feature_repo.datagen.cards import card_tables, draw_card_months, draw_card_payments
from feature_repo.datagen.clients import CHUNK_CLIENTS, Clients, draw_clients
from feature_repo.datagen.columns import Ints, Table, rows_where
from feature_repo.datagen.default_process import probabilities
from feature_repo.datagen.history_statistics import BureauRows, History
from feature_repo.datagen.instalments import after_t0, before_t0, draw_loan_payments
from feature_repo.datagen.pos import draw_pos
from feature_repo.datagen.previous import draw_previous
from feature_repo.datagen.previous_table import changed_after_t0, previous_columns, state_columns


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tables by name as delivered at T0, tables of later events, and the true PDs."""

    tables: Mapping[str, Table]
    later: Mapping[str, Table]
    oracle: Table


@dataclass(frozen=True, slots=True)
class Streams:
    """Independent random streams of one chunk: the same chunk of the same seed always draws the same."""

    seed: int
    chunk: int

    def of(self, part: int) -> np.random.Generator:
        """The stream of one part of the chunk."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.chunk, part)))


def build_chunk(seed: int, chunk: int, clients_total: int) -> Chunk:
    """Simulate clients number `chunk * CHUNK_CLIENTS` onwards, at most CHUNK_CLIENTS of them."""
    streams = Streams(seed, chunk)
    first = chunk * CHUNK_CLIENTS
    clients = draw_clients(streams.of(0), first, min(CHUNK_CLIENTS, clients_total - first))
    applications = draw_applications(streams.of(1), clients)
    book = draw_credits(streams.of(2), clients, applications, chunk)
    previous = draw_previous(streams.of(3), clients, applications, chunk)
    months = draw_card_months(streams.of(4), clients, previous)
    payments = draw_loan_payments(streams.of(5), clients, previous)
    payments = payments.joined(draw_card_payments(streams.of(6), clients, months))
    now = np.zeros(book.owner.size, dtype=np.int64)
    bureau = bureau_table(clients, book, now, book.before())
    history = History(BureauRows.of(book, bureau), previous, payments, months)
    pd = probabilities(clients, applications, history)
    target = (streams.of(7).random(clients.size) < pd).astype(np.int64)

    decided = previous_columns(streams.of(8), clients, previous)
    no_days = np.zeros(previous.owner.size, dtype=np.int64)
    horizon = clients.horizon[previous.owner]
    balances, later_balances = draw_balances(streams.of(9), clients, book, chunk)
    pos, later_pos = draw_pos(streams.of(10), clients, previous)
    cards, later_cards = card_tables(streams.of(11), clients, months)
    tables = _applications(clients, applications, target) | {
        "bureau": bureau,
        "bureau_balance": balances,
        "previous_application": state_columns(previous, decided, no_days - 1, previous.decided < 0),
        "installments_payments": before_t0(clients, payments),
        "POS_CASH_balance": pos,
        "credit_card_balance": cards,
    }
    later = {
        "bureau": later_credits(streams.of(12), clients, book, target),
        "bureau_balance": later_balances,
        "previous_application": state_columns(previous, decided, horizon, changed_after_t0(clients, previous)),
        "installments_payments": after_t0(streams.of(13), clients, payments, target),
        "POS_CASH_balance": later_pos,
        "credit_card_balance": later_cards,
    }
    return Chunk(tables, later, {"SK_ID_CURR": clients.ids, "PD": pd})


def _applications(clients: Clients, applications: Applications, target: Ints) -> dict[str, Table]:
    columns = {**applications.columns, "TARGET": target}
    return {
        "application_train": rows_where(columns, ~clients.test),
        "application_test": rows_where({k: v for k, v in columns.items() if k != "TARGET"}, clients.test),
    }
