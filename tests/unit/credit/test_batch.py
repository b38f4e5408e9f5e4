"""Scoring by column gives what scoring client by client gives, bit for bit."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from bundles import bundle_parts, random_views, small_contract
from hypothesis import given, settings
from hypothesis import strategies as st

from credit.batch import BatchScorer, ReasonColumns, ScoredBatch
from credit.bundle.bundle import Bundle
from credit.bundle.manifest import Manifest
from credit.errors import CreditError, FeatureError
from credit.reason_codes import ReasonText, ReasonTexts
from credit.schemas.decision import Reason
from credit.schemas.features import ViewStatus
from credit.scoring import Scorer

CONTRACT = small_contract(bureau_policy="refer")
STATUSES = st.lists(st.sampled_from(list(ViewStatus)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def bundle():
    """Some features share a text in French, others in English."""
    parts = bundle_parts(CONTRACT)
    texts = {name: ReasonText(en=f"{name[:8]} weighs", fr=f"{name[-6:]} pèse") for name in CONTRACT.names}
    parts = dataclasses.replace(parts, reason_texts=ReasonTexts(version=1, protected=(), features=texts))
    manifest = Manifest.model_construct(name="credit-scoring", files={})
    return Bundle("0" * 64, manifest, parts)


def with_statuses(views, *statuses):
    """The views with other statuses; rows without a usable one hold nothing, as a reader leaves them."""
    changed = {}
    for (name, batch), own in zip(views.items(), statuses, strict=True):
        usable = np.array([status in (ViewStatus.PRESENT, ViewStatus.STALE) for status in own])
        nothing = (None,) * len(batch.spec.strings)
        strings = tuple(row if kept else nothing for row, kept in zip(batch.strings, usable, strict=True))
        numeric = np.where(usable[:, None], batch.numeric, np.nan)
        changed[name] = dataclasses.replace(batch, status=tuple(own), numeric=numeric, strings=strings)
    return changed


def assert_equal(bundle: Bundle, views, clients: int, language, batch: ScoredBatch) -> None:
    one_by_one = Scorer(bundle).score(views, range(clients), language or "en", reasons=language is not None)
    assert len(one_by_one) == len(batch.errors) == batch.margin.size
    for at, one in enumerate(one_by_one):
        if isinstance(one, CreditError):
            assert (batch.errors[at], batch.decisions[at], batch.risk_bands[at]) == (one.code, None, None)
            assert np.isnan(batch.margin[at])
            assert np.isnan(batch.probability[at])
            continue
        assert batch.errors[at] is None
        assert (batch.margin[at], batch.probability[at]) == (one.margin, one.probability)
        assert (batch.decisions[at], batch.risk_bands[at]) == (one.decision, one.risk_band)
        if language is not None:
            assert reasons_of(bundle, batch.reasons, at, language) == one.reasons


def reasons_of(bundle: Bundle, reasons: ReasonColumns, row: int, language) -> tuple[Reason, ...]:
    return tuple(
        Reason(
            feature=bundle.contract.names[feature],
            value=bundle.value(feature, float(reasons.encoded[row, at])),
            contribution=float(reasons.contributions[row, at]),
            text=bundle.reason_texts.text(bundle.contract.names[feature], language),
        )
        for at, feature in enumerate(reasons.features[row].tolist())
        if feature >= 0
    )


@settings(max_examples=40, deadline=None)
@given(application=STATUSES, bureau=STATUSES, seed=st.integers(0, 5), language=st.sampled_from(["en", "fr", None]))
def test_any_mixture_of_statuses_is_scored_as_one_by_one(bundle, application, bureau, seed, language):
    clients = min(len(application), len(bureau))
    views = with_statuses(random_views(CONTRACT, clients, seed=seed), application[:clients], bureau[:clients])
    batch = BatchScorer(bundle).score(views, clients, language)
    assert (batch.reasons is None) == (language is None)
    assert_equal(bundle, views, clients, language, batch)


def test_parts_on_threads_come_back_in_order(bundle):
    views = random_views(CONTRACT, 2_500, seed=3)
    with ThreadPoolExecutor(3) as pool:
        batch = BatchScorer(bundle, pool.map).score(views, 2_500, "en")
        bare = BatchScorer(bundle, pool.map).score(views, 2_500, None)
    assert_equal(bundle, views, 2_500, "en", batch)
    assert bare.margin.tobytes() == batch.margin.tobytes()


def test_an_unscorable_client_has_no_reasons_and_shifts_no_others(bundle):
    unusable = [ViewStatus.PRESENT, ViewStatus.NOT_FOUND, ViewStatus.PRESENT]
    views = with_statuses(random_views(CONTRACT, 3), unusable, [ViewStatus.PRESENT] * 3)
    batch = BatchScorer(bundle).score(views, 3, "en")
    assert batch.errors == [None, "incomplete_features", None]
    assert (batch.reasons.features[1] == -1).all()
    assert (batch.reasons.features[[0, 2], 0] >= 0).all()


def test_nobody_is_scored_as_nobody(bundle):
    batch = BatchScorer(bundle).score(random_views(CONTRACT, 0), 0, "en")
    assert (batch.errors, batch.margin.size, batch.reasons.features.shape) == ([], 0, (0, 4))


def test_a_view_that_was_not_read_is_an_error_of_the_caller(bundle):
    with pytest.raises(FeatureError, match="application"):
        BatchScorer(bundle).score({}, 1)


def test_threads_change_no_bit(bundle):
    matrix = bundle.matrix(random_views(CONTRACT, 300))
    assert bundle.predict(matrix, threads=2).margin.tobytes() == bundle.predict(matrix).margin.tobytes()
    own = bundle.reference_contributions(matrix)
    assert bundle.reference_contributions(matrix, threads=2).tobytes() == own.tobytes()
    np.testing.assert_allclose(bundle.contributions(matrix), own, rtol=0, atol=1e-12)
