import dataclasses

import numpy as np
import pytest
from bundles import make_bundle, random_views, small_contract

from credit.bundle.keys import load_public_key, make_key_pair
from credit.bundle.reader import load_bundle
from credit.errors import FeatureError, IncompleteFeaturesError, UnknownClientError
from credit.schemas.features import ViewStatus
from credit.schemas.overrides import NO_OVERRIDES, Overrides
from credit.scoring import Scorer

CONTRACT = small_contract(bureau_policy="refer")


def scorer_for(folder, contract=CONTRACT):
    path = make_bundle(folder / "bundle", folder / "keys", contract)
    return Scorer(load_bundle(path, load_public_key(make_key_pair(folder / "keys").public)))


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    return scorer_for(tmp_path_factory.mktemp("scoring"))


def with_status(batch, *statuses):
    """The batch with other statuses; rows without a usable one hold nothing, as a reader leaves them."""
    usable = [status in (ViewStatus.PRESENT, ViewStatus.STALE) for status in statuses]
    numeric = np.where(np.array(usable)[:, None], batch.numeric, np.nan)
    nothing = (None,) * len(batch.spec.strings)
    strings = tuple(row if kept else nothing for row, kept in zip(batch.strings, usable, strict=True))
    return dataclasses.replace(batch, status=statuses, numeric=numeric, strings=strings)


P, S, N, M = ViewStatus.PRESENT, ViewStatus.STALE, ViewStatus.NOT_FOUND, ViewStatus.SCHEMA_MISMATCH


def test_each_client_gets_its_result_or_its_error_and_harms_no_other(scorer):
    views = random_views(CONTRACT, 6)
    views = {
        "application": with_status(views["application"], P, N, N, P, S, M),
        "bureau": with_status(views["bureau"], P, N, P, N, P, P),
    }
    scored, unknown, incomplete, referred, stale, mismatch = scorer.score(views, [11, 12, 13, 14, 15, 16])
    assert (scored.client_id, stale.client_id) == (11, 15)
    assert scored.decision in ("approved", "refused")
    assert stale.decision in ("approved", "refused")
    assert isinstance(unknown, UnknownClientError)
    assert unknown.client_id == 12
    assert isinstance(incomplete, IncompleteFeaturesError)
    assert incomplete.views == ("application",)
    assert referred.decision == "referred"
    assert 0 < referred.probability < 1
    assert isinstance(mismatch, IncompleteFeaturesError)


def test_an_imputed_view_decides_without_a_person(tmp_path):
    contract = small_contract(bureau_policy="impute")
    views = random_views(contract, 1)
    views["bureau"] = with_status(views["bureau"], N)
    (result,) = scorer_for(tmp_path, contract).score(views, [1])
    assert result.decision in ("approved", "refused")


def test_a_result_is_consistent_with_its_bundle(scorer):
    views = random_views(CONTRACT, 50, seed=4)
    matrix = scorer.bundle.matrix(views)
    prediction = scorer.bundle.predict(matrix)
    for at, result in enumerate(scorer.score(views, list(range(50)))):
        assert result.margin == prediction.margin[at]
        assert result.probability == prediction.probability[at]
        assert result.decision == ("refused" if result.probability >= result.threshold else "approved")
        assert result.risk_band == scorer.bundle.policy.bands.band(result.probability)


def test_reasons_are_the_strongest_pushes_towards_default(scorer):
    views = random_views(CONTRACT, 80, seed=5)
    contributions = scorer.bundle.contributions(scorer.bundle.matrix(views))[:, :-1]
    for row, result in zip(contributions, scorer.score(views, list(range(80))), strict=True):
        given = [reason.contribution for reason in result.reasons]
        strongest = np.sort(row)[::-1][: len(given)].tolist()
        assert 1 <= len(given) <= 4
        assert given == strongest
        assert len(given) == min(4, max(1, int((row > 0).sum())))
        assert all(reason.text == f"{reason.feature} weighs" for reason in result.reasons)


def test_without_a_push_towards_default_the_weakest_push_away_is_named(scorer):
    width = len(CONTRACT.names)
    contributions = np.append(-np.arange(1.0, width + 1), 0.3)
    (reason,) = scorer.bundle.reasons(contributions, np.zeros(width))
    assert (reason.feature, reason.contribution) == (CONTRACT.names[0], -1.0)


def test_reasons_can_be_french_or_left_out(scorer):
    views = random_views(CONTRACT, 1)
    (french,) = scorer.score(views, [1], "fr")
    (bare,) = scorer.score(views, [1], reasons=False)
    assert french.reasons[0].text.endswith("pèse")
    assert bare.reasons == ()
    assert bare.probability == french.probability


def test_overrides_move_the_score_of_their_client_alone(scorer):
    views = random_views(CONTRACT, 40, seed=6)
    clients = list(range(40))
    overrides = [Overrides(amt_credit=10.0 + at, amt_annuity=0.5) if at % 2 else NO_OVERRIDES for at in clients]
    plain, changed = scorer.score(views, clients), scorer.score(views, clients, overrides=overrides)
    moved = [before.margin != after.margin for before, after in zip(plain, changed, strict=True)]
    assert not any(moved[::2])
    assert any(moved[1::2])


def test_a_client_without_stored_amounts_is_scored_on_the_requested_ones(scorer):
    views = random_views(CONTRACT, 1, seed=7)
    everything = Overrides(amt_credit=5.0, amt_annuity=2.0, amt_goods_price=4.0, amt_income_total=3.0)
    numeric = views["application"].numeric.copy()
    numeric[:, :4] = np.nan
    emptied = views | {"application": dataclasses.replace(views["application"], numeric=numeric)}
    (stored,) = scorer.score(views, [1], overrides=[everything])
    (absent,) = scorer.score(emptied, [1], overrides=[everything])
    assert absent == stored


def test_each_client_has_its_overrides(scorer):
    with pytest.raises(ValueError, match="1 overrides for 2 clients"):
        scorer.score(random_views(CONTRACT, 2), [1, 2], overrides=[NO_OVERRIDES])


def test_nobody_asked_nobody_scored(scorer):
    assert scorer.score(random_views(CONTRACT, 1), []) == []


def test_a_view_that_was_not_read_is_an_error_of_the_caller(scorer):
    with pytest.raises(FeatureError, match="application"):
        scorer.score({}, [1])
