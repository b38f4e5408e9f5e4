import numpy as np

from credit.clock import Calendar, application_times
from feature_repo.datagen.clients import AS_OF_NOW, FACTORS, clients_in_test, draw_clients, draw_latents
from feature_repo.datagen.parameters import CLIENTS_TEST, CLIENTS_TOTAL, parameters


def test_the_full_portfolio_has_the_real_split():
    assert clients_in_test(CLIENTS_TOTAL) == CLIENTS_TEST


def test_t0_is_the_one_ingestion_computes_from_the_row():
    clients = draw_clients(np.random.default_rng(0), 0, 500)
    again = application_times(clients.ids, clients.weekday, clients.hour, Calendar())
    assert (clients.t0 == again).all()
    weekday = (clients.day_zero + 3) % 7  # 1970-01-01 was a Thursday
    assert (weekday == clients.weekday).all()


def test_every_label_has_matured_by_the_present():
    calendar = Calendar()
    assert (AS_OF_NOW - calendar.end).days >= 180


def test_latents_are_standard_normal_and_keep_the_rank_correlations():
    latent = draw_latents(np.random.default_rng(0), 40_000)
    for values in latent.values():
        assert abs(values.mean()) < 0.03
        assert abs(values.std() - 1) < 0.03
    columns = parameters().application.rank_columns
    measured = np.corrcoef([latent[name] for name in columns])
    assert np.abs(measured - parameters().application.correlations).max() < 0.03
    assert set(FACTORS) <= set(latent)


def test_months_from_t0_count_calendar_months():
    clients = draw_clients(np.random.default_rng(0), 0, 100)
    owner = np.arange(100)
    assert (clients.months_from_t0(owner, np.zeros(100)) == 0).all()
    assert (clients.months_from_t0(owner, np.full(100, -31.0)) <= -1).all()
    assert set(clients.months_from_t0(owner, np.full(100, -365.0))) <= {-12, -11}  # -11 across a 29 February
