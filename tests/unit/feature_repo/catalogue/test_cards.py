import json
import subprocess
import sys

import pytest

from credit.cli import run
from credit.errors import FeatureError
from credit.features import RATIO_OUTPUTS
from credit.reason_codes import reason_texts
from credit.schemas.overrides import OVERRIDABLE
from feature_repo.catalogue import load_catalogue
from feature_repo.catalogue.cards import FeatureCard, RequestFeatureCard, ViewCard, card_of
from feature_repo.catalogue.online_size import online_row_bytes
from feature_repo.catalogue.services import DECISION, FAIRNESS
from feature_repo.catalogue.statistics import Statistics, load_statistics

CATALOGUE = load_catalogue()
FEATURES = [(view, feature) for view in CATALOGUE.views for feature in view.features]


def answer(capsys, *arguments):
    assert run(["features", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_feature_and_view_has_a_card_with_what_the_catalogue_says():
    statistics = Statistics(missing={"amt_annuity": 0.25}, importance={"amt_annuity": 0.5})
    for view, feature in FEATURES:
        card = card_of(feature.name, CATALOGUE, statistics)
        assert isinstance(card, FeatureCard)
        assert (card.view, card.owner, card.missing_policy) == (view.name, view.owner, view.missing_policy)
        assert (card.meaning, card.sql, card.sources) == (feature.meaning, feature.sql.strip(), feature.sources)
        assert (card.services == (FAIRNESS,)) == feature.protected
        assert (card.services == ()) == (feature.name in OVERRIDABLE)
        assert (card.missing, card.importance) == ((0.25, 0.5) if feature.name == "amt_annuity" else (None, None))
        if card.services == (DECISION,):
            assert card.reason_en == reason_texts().text(feature.name, "en")
    for view in CATALOGUE.views:
        card = card_of(view.name, CATALOGUE, statistics)
        assert isinstance(card, ViewCard)
        assert card.features == tuple(feature.name for feature in view.features)
        assert card.importance == (0.5 if view.name == "application" else None)


def test_a_request_time_feature_has_a_card_too():
    card = card_of(RATIO_OUTPUTS[0], CATALOGUE, Statistics())
    assert isinstance(card, RequestFeatureCard)
    assert card.services == (DECISION,)
    assert card.reason_fr == reason_texts().text(RATIO_OUTPUTS[0], "fr")


def test_a_typing_error_is_answered_with_what_comes_close():
    with pytest.raises(FeatureError, match="did you mean amt_annuity"):
        card_of("amt_anuity", CATALOGUE, Statistics())
    with pytest.raises(FeatureError, match="see `creditctl features list`"):
        card_of("zzz", CATALOGUE, Statistics())


def test_the_bytes_of_a_row_hold_every_value():
    for view in CATALOGUE.views:
        numbers = sum({"float32": 4, "int32": 4, "int64": 8}.get(feature.type, 0) for feature in view.features)
        size = online_row_bytes(view)
        assert size == 0 if not view.online else numbers < size < numbers + 8 * len(view.features) + 64


def test_lists_are_filtered_by_all_conditions(capsys):
    every = answer(capsys, "list")
    assert [card["name"] for card in every] == [feature.name for _, feature in FEATURES]
    protected = answer(capsys, "list", "--protected")
    assert {card["name"] for card in protected} == {one.name for _, one in FEATURES if one.protected}
    chosen = answer(capsys, "list", "--view", "bureau", "--tag", "window=1y", "--grep", "OVERDUE")
    assert [card["name"] for card in chosen] == [
        one.name
        for view, one in FEATURES
        if view.name == "bureau"
        and one.window == "1y"
        and any("overdue" in word.lower() for word in (one.name, one.meaning, *one.sources))
    ]
    assert answer(capsys, "list", "--tag", "domain=bureau", "--view", "application") == []
    assert answer(capsys, "list", "--tag", "protected=true") == protected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["list", "--view", "loans"], "no view is called loans"),
        (["list", "--tag", "domain"], "is no key=value"),
        (["describe", "amt_credits"], "did you mean amt_credit"),
    ],
)
def test_wrong_words_are_told(arguments, text, capsys):
    assert run(["features", *arguments]) == 1
    assert text in capsys.readouterr().err


def test_describe_tells_the_same_to_machines(capsys):
    card = answer(capsys, "describe", "amt_annuity")
    assert card["name"] == "amt_annuity"
    assert card["online_bytes"] == 4
    assert card["measured_on"]["rows"] == load_statistics().measured_on.rows
    assert answer(capsys, "describe", "bureau")["online_row_bytes"] > 100


def test_people_read_every_fact(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    view, feature = next((view, one) for view, one in FEATURES if view.name == "bureau" and view.online)
    assert run(["features", "describe", feature.name]) == 0
    printed = capsys.readouterr().out
    assert feature.name in printed
    assert feature.sql.strip().splitlines()[0] in printed
    assert view.owner in printed
    assert run(["features", "describe", "application"]) == 0
    assert run(["features", "describe", RATIO_OUTPUTS[0]]) == 0
    assert run(["features", "list", "--view", "demographics"]) == 0
    assert "(protected)" in capsys.readouterr().out


def test_help_list_and_describe_import_no_engine():
    """The command line stays quick: see also the test of `creditctl --help`."""
    code = (
        "import sys; from credit import cli\n"
        "codes = [cli.run(['features', *words]) for words in (['--help'], ['list'], ['describe', 'amt_annuity'])]\n"
        "names = ('feast', 'duckdb', 'pandas', 'ray', 'mlflow', 'lightgbm')\n"
        "print('|', codes, [name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rpartition("|")[2].strip() == "[0, 0, 0] []"
