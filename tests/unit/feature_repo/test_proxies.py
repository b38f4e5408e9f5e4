import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from offline_rows import BUILT, random_rows, write_rows
from typer.testing import CliRunner

from credit.errors import FeatureError, GateRefusedError
from credit.files import write_text
from feature_repo.aggregates.manifest import RunManifest
from feature_repo.catalogue import load_catalogue
from feature_repo.cli.features import app
from feature_repo.proxies import measure_proxies

CLIENTS = 1_200
DRAW = np.random.default_rng(3)
OLD, MALE, PARTNER, PARENT = (DRAW.random(CLIENTS) < share for share in (0.2, 0.4, 0.7, 0.3))
PEOPLE = {
    "code_gender": np.where(MALE, "M", "F"),
    "days_birth": np.where(OLD, -23_000, -12_000).astype(np.int32),
    "name_family_status": np.where(PARTNER, "Married", "Widow"),
    "cnt_children": PARENT.astype(np.int32),
}


@pytest.fixture
def offline(tmp_path):
    """A finished run of random rows: two buckets a view, of which only the demographics mean anything."""
    folder = tmp_path / "offline"
    for view in load_catalogue().views:
        rows = random_rows(view, CLIENTS, seed=4)
        plant(folder, view.name, PEOPLE if view.name == "demographics" else {}, rows)
    counts = {view.name: len(view.features) for view in load_catalogue().views}
    manifest = RunManifest(
        run="training", inputs="", created_ts=BUILT, buckets=2, rows=CLIENTS, features=counts, seconds={}
    )
    write_text(folder / ".runs" / "training.json", manifest.model_dump_json())
    return folder


def plant(folder, view, columns, rows=None):
    """Write a view's rows with `columns` (values, or a pair of values and where they are missing) in place."""
    rows = random_rows(load_catalogue().view(view), CLIENTS, seed=4) if rows is None else rows
    for name, values in columns.items():
        planted, missing = values if isinstance(values, tuple) else (values, None)
        index = rows.column_names.index(name)
        rows = rows.set_column(index, name, pa.array(planted, mask=missing).cast(rows.schema.field(name).type))
    for bucket, start in enumerate((0, 500)):
        write_rows(folder, view, "training", rows.slice(start, 500 if bucket == 0 else None), bucket)


def measured(folder):
    return {row.feature: row for row in measure_proxies(folder, "training", load_catalogue()).features}


def refused(folder, *arguments):
    command = ["proxies", "--home", str(folder.parent), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_features_that_know_nothing_tell_nothing(offline):
    report = measure_proxies(offline, "training", load_catalogue())
    assert report.rows == CLIENTS
    assert report.shares == pytest.approx(
        {"gender": MALE.mean(), "age": OLD.mean(), "family_status": PARTNER.mean(), "children": PARENT.mean()}, abs=1e-4
    )
    assert max(row.strongest()[0] for row in report.features) < 0.62
    stored = {one.name for view in load_catalogue().views for one in view.features}
    assert {row.feature for row in report.features} >= stored - {*PEOPLE, "cnt_fam_members"}
    assert not {row.feature for row in report.features} & {*PEOPLE, "cnt_fam_members"}
    assert refused(offline).exit_code == 0


def test_a_feature_tells_by_its_values_by_its_absence_or_by_its_category(offline):
    noise = DRAW.standard_normal(CLIENTS)
    columns = {
        "days_registration": np.where(OLD, -9_000, -100) + (200 * noise).astype(np.int32),
        "own_car_age": (noise, ~MALE),
        "name_housing_type": np.where(PARTNER, np.where(noise > 0, "house", "flat"), "rented"),
        "ext_source_2": -PARENT.astype(np.float32),
    }
    plant(offline, "application", columns)
    rows = measured(offline)
    planted = zip(columns, ("age", "gender", "family_status", "children"), strict=True)
    for name, attribute in planted:
        assert rows[name].auc[attribute] > 0.99, name
        assert rows[name].beyond(0.8) == (attribute,)
    assert rows["ext_source_max"].auc["children"] < 0.9 < rows["ext_source_2"].auc["children"]


def test_a_category_is_judged_on_clients_that_it_was_not_fitted_on(offline):
    """A category of its own for everyone would tell everything on the clients it was fitted on."""
    plant(offline, "application", {"name_housing_type": [f"house {index}" for index in range(CLIENTS)]})
    assert measured(offline)["name_housing_type"].strongest()[0] == 0.5


def test_request_time_features_are_measured_too(offline):
    plant(offline, "application", {"amt_goods_price": np.ones(CLIENTS), "amt_credit": np.where(OLD, 2.0, 1.0)})
    assert measured(offline)["credit_to_goods"].auc["age"] > 0.99


def test_the_gate_names_what_is_not_declared(offline):
    columns = {"flag_phone": OLD.astype(np.int32), "ext_source_1": OLD.astype(np.float32)}
    plant(offline, "application", columns)
    plant(offline, "demographics", PEOPLE | {"flag_emp_phone": OLD.astype(np.int32)})
    with pytest.raises(GateRefusedError, match=r"1 decision features (.|\n)*flag_phone \(age\);"):
        refused(offline)
    plant(offline, "application", {"ext_source_1": OLD.astype(np.float32)})
    assert refused(offline).exit_code == 0
    plant(offline, "application", {"ext_source_1": MALE.astype(np.float32)})
    with pytest.raises(GateRefusedError, match=r"ext_source_1 \(gender\)"):
        refused(offline)
    assert refused(offline, "--limit", "1").exit_code == 0


def test_the_command_line_reports_as_json_and_exits_with_2(offline):
    plant(offline, "application", {"flag_phone": OLD.astype(np.int32)})
    command = [sys.executable, "-m", "credit", "features", "proxies", "--json", "--home", str(offline.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "flag_phone (age)" in done.stderr
    first = json.loads(done.stdout)["features"][0]
    assert (first["feature"], first["decision"], first["auc"]["age"]) == ("flag_phone", True, 1.0)


def test_a_run_that_is_not_whole_is_refused(offline):
    with pytest.raises(FeatureError, match="run online is not built for every view"):
        measure_proxies(offline, "online", load_catalogue())
    view = load_catalogue().view("bureau")
    write_rows(offline, "bureau", "training", random_rows(view, 500, seed=4).slice(1), 0)
    with pytest.raises(FeatureError, match="bureau holds other rows than demographics"):
        measure_proxies(offline, "training", load_catalogue())
    for path in (offline / "bureau" / "training").iterdir():
        path.unlink()
    with pytest.raises(FeatureError, match="holds nothing of bureau"):
        measure_proxies(offline, "training", load_catalogue())
    same = {"code_gender": ["F"] * CLIENTS, "name_family_status": ["Married"] * CLIENTS}
    plant(offline, "demographics", same | {"days_birth": [0] * CLIENTS, "cnt_children": [0] * CLIENTS})
    with pytest.raises(FeatureError, match="no two groups"):
        measure_proxies(offline, "training", load_catalogue())
