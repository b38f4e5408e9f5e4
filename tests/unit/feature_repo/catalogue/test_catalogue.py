import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from credit.errors import FeatureError
from credit.features import RATIO_INPUTS
from feature_repo.catalogue import load_catalogue, online_view_specs
from feature_repo.catalogue.loading import read_catalogue

VIEW = """
name = "{name}"
description = "Rows."
owner = "team"
ttl_hours = {ttl}
tags = {{}}
missing_policy = "impute"
{online}

[[relation]]
name = "bureau_credits"
description = "Credits."
windows = {{ all = "true" }}

[[feature]]
name = "first"
relation = "bureau_credits"
type = "float32"
window = "all"
meaning = "A mean."
sources = ["bureau.DAYS_CREDIT"]
sql = "avg(days_ago)"
"""
FEATURE = """
[[feature]]
name = "{name}"
relation = "{relation}"
type = "{type}"
window = "{window}"
meaning = "{meaning}"
sources = ["{source}"]
sql = "{sql}"
{more}
"""
ONLINE = ("application", "bureau", "previous_application", "installments", "pos_cash", "credit_card")
VALID = {
    "name": "second",
    "relation": "bureau_credits",
    "type": "int32",
    "window": "all",
    "meaning": "A count.",
    "source": "bureau.SK_ID_BUREAU",
    "sql": "count(*)",
    "more": "empty = 0",
}


def read(folder: Path, *features: dict[str, str], name: str = "bureau", ttl: int = 48, online: str = ""):
    text = VIEW.format(name=name, ttl=ttl, online=online)
    text += "".join(FEATURE.format(**(VALID | feature)) for feature in features)
    (folder / f"{name}.toml").write_text(text)
    return read_catalogue(folder, (name,))


def test_a_feature_is_added_by_one_entry(tmp_path):
    catalogue = read(tmp_path, {})
    assert [feature.name for feature in catalogue.view("bureau").features] == ["first", "second"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "first"}, "first: this name is used 2 times"),
        ({"name": "Second"}, "lower snake case"),
        ({"name": "created_ts"}, "none of"),
        ({"type": "float16"}, "type"),
        ({"meaning": "  "}, "meaning is empty"),
        ({"sql": " "}, "sql is empty"),
        ({"window": "2y"}, "window 2y is none of all"),
        ({"relation": "bureau_days"}, "relation bureau_days is not declared"),
        ({"source": "bureau.DAYS"}, "source bureau.DAYS is no column"),
        ({"source": "loans.DAYS_CREDIT"}, "source loans.DAYS_CREDIT is no column"),
        ({"type": "string"}, "a string has no empty value"),
        ({"more": "protected = true"}, "a protected attribute belongs into demographics only"),
        ({"source": "application.CODE_GENDER"}, "a protected attribute belongs into demographics only"),
        ({"sql": "max(DAYS_BIRTH)"}, "a protected attribute belongs into demographics only"),
        ({"sql": "max(Days_Birth)"}, "a protected attribute belongs into demographics only"),
        ({"source": "previous_application.NAME_TYPE_SUITE"}, "NAME_TYPE_SUITE is a proxy for family_status, children"),
        ({"sql": "count_if(flag_emp_phone = 1)"}, "FLAG_EMP_PHONE is a proxy for age"),
        ({"sql": "max(DAYS_EMPLOYED)"}, r"reads it as time_in_work\(DAYS_EMPLOYED\)"),
        ({"sql": "time_in_work(DAYS_EMPLOYED) + DAYS_EMPLOYED"}, r"reads it as time_in_work\(DAYS_EMPLOYED\)"),
        ({"source": "application.ORGANIZATION_TYPE"}, r"reads it as line_of_business\(ORGANIZATION_TYPE\)"),
        ({"more": 'proxy_for = ["age"]'}, "only with both proxy_for and kept_because"),
        ({"more": 'kept_because = "It pays."'}, "only with both proxy_for and kept_because"),
        ({"more": 'proxy_for = ["wealth"]'}, "proxy_for"),
        ({"more": "windows = 3"}, "Extra inputs"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, entry, problem):
    with pytest.raises(FeatureError, match=problem):
        read(tmp_path, entry)


def test_all_problems_are_listed_at_once(tmp_path):
    with pytest.raises(FeatureError) as caught:
        read(tmp_path, {"meaning": ""}, {"name": "third", "window": "2y"}, {"name": "fourth", "sql": ""}, ttl=0)
    assert all(word in str(caught.value) for word in ("second", "third", "fourth", "ttl_hours"))


def test_protected_attributes_must_be_marked_and_stay_offline(tmp_path):
    with pytest.raises(FeatureError, match=r"must not go online(.|\n)*say protected = true"):
        read(tmp_path, name="demographics")


def test_a_proxy_kept_for_fairness_says_what_it_stands_for(tmp_path):
    fair = {"more": "protected = true"}
    unsaid, wrong = fair | {"source": "bureau.DAYS_CREDIT"}, {"source": "application.OCCUPATION_TYPE"}
    wrong["more"] = 'protected = true\nproxy_for = ["age"]'
    with pytest.raises(
        FeatureError, match=r"second: say which(.|\n)*third: OCCUPATION_TYPE is a proxy for gender, age"
    ):
        read(tmp_path, unsaid, wrong | {"name": "third"}, name="demographics")


def test_a_window_cannot_hide_a_protected_column(tmp_path):
    read(tmp_path)
    text = (tmp_path / "bureau.toml").read_text()
    (tmp_path / "bureau.toml").write_text(text.replace('all = "true"', 'all = "days_birth < 0"'))
    with pytest.raises(FeatureError, match="bureau: relation bureau_credits: a protected attribute belongs"):
        read_catalogue(tmp_path, ("bureau",))


def test_a_missing_or_broken_file_is_named(tmp_path):
    (tmp_path / "bureau.toml").write_text("name = ")
    with pytest.raises(FeatureError, match=r"bureau.toml cannot be read(.|\n)*installments.toml cannot be read"):
        read_catalogue(tmp_path, ("bureau", "installments"))


def test_views_and_history_features_of_the_shipped_catalogue():
    catalogue = load_catalogue()
    assert catalogue.names == (*ONLINE, "demographics")
    assert 270 <= sum(len(catalogue.view(name).features) for name in ONLINE) <= 290
    assert all(view.ttl == timedelta(hours=48) for view in catalogue.views)
    assert {view.name for view in catalogue.views if view.missing_policy == "refuse"} == {"application"}


def test_online_layouts_hold_no_protected_attribute():
    catalogue = load_catalogue()
    specs = online_view_specs(catalogue)
    assert tuple(spec.name for spec in specs) == ONLINE
    names = [column.name for spec in specs for column in spec.columns]
    protected = {feature.name for view in catalogue.views for feature in view.features if feature.protected}
    proxies = {"name_type_suite", "name_income_type", "occupation_type", "flag_not_employed", "flag_emp_phone"}
    attributes = {"code_gender", "days_birth", "name_family_status", "cnt_children", "cnt_fam_members"}
    assert protected == attributes | proxies
    assert not protected & set(names)
    assert all(spec.ttl_seconds == 172_800 for spec in specs)


def test_inputs_of_the_request_time_features_are_numbers_of_the_decisions_views():
    stored = {feature.name: feature for view in load_catalogue().views for feature in view.features}
    for name in RATIO_INPUTS:
        assert not stored[name].protected
        assert stored[name].type != "string"


def test_reading_the_catalogue_loads_no_engine():
    code = (
        "import sys; from feature_repo.catalogue import load_catalogue; load_catalogue();"
        "print([name for name in ('duckdb', 'feast', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
