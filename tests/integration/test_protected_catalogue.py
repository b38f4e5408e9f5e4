"""`creditctl features apply` on a catalogue that lets a protected attribute or a proxy into the decision."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import feature_repo

PACKAGE = Path(feature_repo.__file__).parent
FEATURE = """
[[feature]]
name = "work"
type = "string"
meaning = "Source of income."
sources = ["application.{source}"]
sql = "{sql}"
"""


@pytest.fixture
def copy(tmp_path):
    """The package in a folder of its own, to be altered; Python finds it first there."""
    shutil.copytree(PACKAGE, tmp_path / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "feature_repo"


def apply(copy: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "credit", "features", "apply", "--home", str(copy.parent / "home")]
    path = os.pathsep.join(filter(None, [str(copy.parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        command, cwd=copy.parent, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_shipped_catalogue_passes_the_check(copy):
    """Apply goes on, to find that nothing is built in this home."""
    done = apply(copy)
    assert "nothing is built yet" in done.stderr
    assert "protected" not in done.stderr


@pytest.mark.parametrize(
    ("source", "sql", "problem"),
    [
        ("NAME_INCOME_TYPE", "NAME_INCOME_TYPE", "application.work: NAME_INCOME_TYPE is a proxy for age"),
        ("DAYS_REGISTRATION", "days_birth::VARCHAR", "application.work: a protected attribute belongs"),
        ("ORGANIZATION_TYPE", "ORGANIZATION_TYPE", "application.work: ORGANIZATION_TYPE tells age"),
    ],
)
def test_a_protected_attribute_or_proxy_in_the_decision_fails_apply(copy, source, sql, problem):
    catalogue = copy / "catalogue" / "views" / "application.toml"
    catalogue.write_text(catalogue.read_text("utf-8") + FEATURE.format(source=source, sql=sql), "utf-8")
    done = apply(copy)
    assert done.returncode == 1
    assert problem in done.stderr
    assert not (copy.parent / "home").exists()


def test_a_relation_cannot_rename_a_protected_column(copy):
    relation = copy / "aggregates" / "relations" / "application_form.sql"
    relation.write_text(relation.read_text("utf-8").replace("a.*", "a.*, a.CNT_CHILDREN AS dependants"), "utf-8")
    done = apply(copy)
    assert done.returncode == 1
    assert "application: relation application_form: a protected attribute belongs" in done.stderr
