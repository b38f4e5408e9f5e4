"""The dashboard against what the service really tells."""

import json
import re
import subprocess
import sys
from importlib.resources import files
from itertools import combinations
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from serving.metrics import METRICS, ScoringMetrics
from serving.shadow_metrics import SHADOW_METRICS, ShadowMetrics

ALL = (*METRICS, *SHADOW_METRICS)

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def dashboard():
    return json.loads(files("serving").joinpath("dashboards/credit-scoring.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def queries(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def told():
    """Every series name that the service can tell, with its labels."""
    found = {}
    for metric in ALL:
        suffixes = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        for suffix in suffixes:
            found[metric.name + suffix] = {*metric.labels} | ({"le"} if suffix == "_bucket" else set())
    return found


def test_the_definitions_are_what_is_exposed():
    shown = CollectorRegistry()
    ScoringMetrics(shown)
    ShadowMetrics(shown)
    families = {f"{each.name}_total" if each.type == "counter" else each.name for each in shown.collect()}
    assert families == {metric.name for metric in ALL}


def test_every_metric_of_every_panel_exists(queries):
    used = {name for query in queries for name in re.findall(r"\bcredit_\w+", query)}
    assert used <= told().keys()
    assert len(used) > 10


def test_every_metric_is_on_the_dashboard(queries):
    text = " ".join(queries)
    assert [metric.name for metric in ALL if metric.name not in text] == []


def test_the_pages_name_metrics_that_exist():
    text = (ROOT / "docs/how-to/observe.md").read_text("utf-8")
    assert set(re.findall(r"\bcredit_\w+", text)) <= {metric.name for metric in ALL}
    check = [sys.executable, str(ROOT / "scripts/metrics_page.py"), "--check"]
    subprocess.run(check, cwd=ROOT, check=True)


def test_every_label_of_every_query_exists(queries):
    for query in queries:
        for name, matchers in re.findall(r"\b(credit_\w+)\{([^}]*)\}", query):
            labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) - {"job", "instance"}
            assert labels <= told().get(name, set()), query
        for grouped in re.findall(r"\bby \(([^)]*)\)", query):
            (names,) = set(re.findall(r"\bcredit_\w+", query)) & told().keys() or {None}
            assert names is None or {label.strip() for label in grouped.split(",")} <= told()[names], query


def test_it_can_be_imported(dashboard):
    assert dashboard["id"] is None
    assert dashboard["schemaVersion"] >= 38
    assert {"title", "uid", "panels", "templating", "time", "timezone", "version", "annotations"} <= dashboard.keys()
    assert [each["name"] for each in dashboard["templating"]["list"]] == ["datasource", "job", "instance"]
    for panel in dashboard["panels"]:
        assert {"id", "type", "title", "gridPos"} <= panel.keys()
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
            assert {"defaults", "overrides"} <= panel["fieldConfig"].keys()


def test_panels_have_their_own_ids_and_places(dashboard):
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, other)


@pytest.mark.parametrize(
    "wanted",
    ["outcome", "5..", "0.5,", "0.95,", "0.99,", "in_flight", "refused_total", "age_seconds", "missing_total",
     "decisions_total", "pd_bucket", "model_info", "log_entries"],
)  # fmt: skip
def test_what_operators_need_is_there(queries, wanted):
    assert any(wanted in query for query in queries)
