"""Folding by reason against adding up by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.errors import FeatureError
from credit.explanations import fold_contributions, waterfall
from credit.reason_codes import ReasonText, ReasonTexts


def texts(reasons):
    return ReasonTexts(
        version=1,
        protected=("code_gender",),
        features={
            f"f{at}": ReasonText(en=f"reason {reason}", fr=f"motif {reason}") for at, reason in enumerate(reasons)
        },
    )


@given(st.integers(0, 2**31), st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 20))
def test_each_reason_is_the_sum_of_its_features_and_the_margin_stays(seed, reasons, clients):
    contributions = np.random.default_rng(seed).normal(size=(clients, len(reasons) + 1))
    names = [f"f{at}" for at in range(len(reasons))]
    folded = fold_contributions(contributions, names, texts(reasons))
    margin = folded.contributions.sum(axis=1) + folded.base
    np.testing.assert_allclose(margin, contributions.sum(axis=1), atol=1e-12)
    assert sorted(name for members in folded.members for name in members) == sorted(names)
    for name, column in zip(folded.names, folded.contributions.T, strict=True):
        own = [at for at, reason in enumerate(reasons) if f"reason {reason}" == name]
        for client in range(clients):
            assert column[client] == pytest.approx(sum(contributions[client, at] for at in own))


def test_opposite_features_of_one_reason_cancel_before_their_size_is_taken():
    contributions = np.array([[0.5, -0.5, 0.1, -2.0], [-0.5, 0.5, 0.1, -2.0]])
    folded = fold_contributions(contributions, ["f0", "f1", "f2"], texts([0, 0, 1]))
    assert folded.importance() == {"reason 1": pytest.approx(0.1), "reason 0": 0.0}
    assert list(folded.importance()) == ["reason 1", "reason 0"]


def test_both_languages_fold_alike():
    contributions = np.arange(8.0).reshape(2, 4)
    english = fold_contributions(contributions, ["f0", "f1", "f2"], texts([0, 1, 0]))
    french = fold_contributions(contributions, ["f0", "f1", "f2"], texts([0, 1, 0]), "fr")
    assert french.names == ("motif 0", "motif 1")
    assert english.members == french.members == (("f0", "f2"), ("f1",))


def test_a_protected_feature_is_no_business_feature():
    with pytest.raises(FeatureError, match="code_gender"):
        fold_contributions(np.zeros((1, 2)), ["code_gender"], texts([0]))


@given(st.integers(0, 2**31), st.lists(st.integers(0, 6), min_size=1, max_size=12), st.none() | st.integers(1, 8))
def test_a_waterfall_leads_from_the_base_to_the_margin(seed, reasons, top):
    contributions = np.random.default_rng(seed).normal(size=(2, len(reasons) + 1))
    names = [f"f{at}" for at in range(len(reasons))]
    folded = fold_contributions(contributions, names, texts(reasons))
    bars = waterfall(folded, 1, top)
    alone = len(folded.names) if top is None else min(top, len(folded.names))
    assert len(bars) == alone + (alone < len(folded.names))
    assert bars[0].start == folded.base[1]
    assert [bar.start for bar in bars[1:]] == [bar.end for bar in bars[:-1]]
    assert bars[-1].end == pytest.approx(contributions[1].sum(), abs=1e-12)
    assert sorted(name for bar in bars for name in bar.members) == sorted(names)
    sizes = [abs(bar.contribution) for bar in bars[:alone]]
    assert sizes == sorted(sizes, reverse=True)
    assert [bar.text is None for bar in bars] == [False] * alone + [True] * (len(bars) - alone)


def test_a_model_without_features_has_no_bars():
    assert waterfall(fold_contributions(np.ones((1, 1)), [], texts([])), 0) == ()
