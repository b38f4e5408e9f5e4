import random
from datetime import UTC, datetime

import pyarrow as pa

from credit.schemas.categories import UNKNOWN, known_categories
from credit.schemas.raw import DAYS_SENTINEL, raw_tables
from feature_repo.catalogue import Catalogue, load_catalogue
from feature_repo.form_features import form_columns, form_features
from feature_repo.fresh.applications import checked_applications
from feature_repo.fresh.compute import features_at_application
from feature_repo.settings import FeatureSettings

MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
ROWS = 200


def random_application(client: int, draw: random.Random) -> dict[str, object]:
    """Any values that ingestion takes, among them those with a meaning of their own."""
    row = {
        column.name: None if column.nullable and draw.random() < 0.2 else random_value(column, draw)
        for column in raw_tables()["application_test"].columns
    }
    days = draw.choice([DAYS_SENTINEL, 0, -1, -1825, -1826, -1827, -20_000])
    return row | {"SK_ID_CURR": client, "DAYS_EMPLOYED": days, "WEEKDAY_APPR_PROCESS_START": "FRIDAY"}


def random_value(column, draw):
    vocabulary = known_categories()["application"].get(column.name, ())
    if column.type == "string":
        return draw.choice([*vocabulary, "never heard of", "Business Entity Type 99", "XNA"])
    if column.type == "int64" or column.name.startswith(("DAYS_", "OBS_", "DEF_", "AMT_REQ")):
        return draw.randint(0, 3)
    return draw.choice([0.0, 0.1, 1 / 3, 406_597.5, 1e9, draw.random()])


def test_every_feature_of_the_form_is_what_the_catalogues_sql_makes_of_it():
    draw = random.Random(4)
    rows = [random_application(client, draw) for client in range(1, ROWS + 1)]
    events = checked_applications(rows).events(MOMENT)
    view = load_catalogue().view("application")
    table = features_at_application(events, [view], None, FeatureSettings())["application"].sort_by("SK_ID_CURR")
    forms = form_features()
    assert [form.name for form in forms] == [feature.name for feature in view.features]
    for form in forms:
        values = [form.derive([as_read(row[column]) for column in form.columns]) for row in rows]
        wanted = table[form.name]
        assert rounded(values, wanted.type) == wanted.to_pylist(), form.name
        assert len(set(values)) > 1, form.name


def as_read(value):
    return float(value) if isinstance(value, int) else value


def rounded(values, type_):
    return pa.array(values, pa.string() if pa.types.is_string(type_) else pa.float64()).cast(type_).to_pylist()


def test_a_text_outside_the_vocabulary_is_unknown_before_anything_is_derived():
    (organization,) = [form for form in form_features() if form.name == "organization_type"]
    assert organization.derive(["Business Entity Type 99"]) == UNKNOWN
    assert organization.derive(["Business Entity Type 3"]) is None
    assert organization.derive([None]) is None


def test_an_expression_that_is_not_known_here_gives_no_feature(monkeypatch):
    view = load_catalogue().view("application")
    changed = [
        feature.model_copy(update={"sql": "time_in_work(DAYS_EMPLOYED) + 1"})
        if feature.name == "days_employed"
        else feature
        for feature in view.features
    ]
    catalogue = Catalogue(views=(view.model_copy(update={"features": tuple(changed)}),))
    monkeypatch.setattr("feature_repo.form_features.load_catalogue", lambda: catalogue)
    found = form_features.__wrapped__()
    assert {form.name for form in form_features()} - {form.name for form in found} == {"days_employed"}


def test_the_label_is_no_column_of_an_application():
    assert "TARGET" not in form_columns()
    assert "CODE_GENDER" in form_columns()
