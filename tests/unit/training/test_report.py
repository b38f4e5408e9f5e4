"""Pictures and card of a real small bundle: what is in them, and that they are whole."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import NamedTuple

import matplotlib.image
import numpy as np
import pytest
from bundles import bundle_parts, make_bundle, random_views, small_contract

from credit.bundle.bundle import Bundle
from credit.bundle.encoding import MatrixEncoder
from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from training.evaluate import evaluate_model
from training.explain import explain, global_importance
from training.fairness import FairnessReport
from training.model_card import CardFacts, card_files, markdown, model_card, page
from training.plots import PICTURES, write_plots
from training.report import report_on
from training.threshold import check_threshold
from training.wording import in_reading_order

CLIENTS = 700


class Constraint(NamedTuple):
    direction: str
    why: str


LABELS = {
    "roc": "payers refused",
    "precision_recall": "defaulters refused (recall)",
    "reliability": "mean probability of default",
    "scores": "points (600 where 50 pay for one who defaults; 20 more double that)",
    "cost": "threshold: refused at this probability of default or above",
    "risk_bands": "risk band",
    "importance": "mean absolute contribution to the log-odds of default (exact SHAP)",
    "beeswarm": "contribution to the log-odds of default (exact SHAP): right pushes towards refusal",
    "fairness": "approved",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    keys = folder / "keys"
    return load_bundle(make_bundle(folder / "made", keys), load_public_key(next(keys.glob("*pub*"))))


@pytest.fixture(scope="module")
def matrix():
    return MatrixEncoder(small_contract()).from_views(random_views(small_contract(), CLIENTS, seed=1))


@pytest.fixture(scope="module")
def judged(bundle, matrix):
    """The bundle with its figures, and the report on it."""
    probabilities = bundle.predict(matrix).probability
    rng = np.random.default_rng(0)
    labels = (rng.random(CLIENTS) < probabilities).astype(np.int64)
    baseline = np.clip(probabilities + rng.normal(scale=0.1, size=CLIENTS), 0.01, 0.99)
    metrics = evaluate_model(
        bundle.policy, labels, probabilities, baseline=baseline, oracle=probabilities, replicates=30
    )
    metrics |= check_threshold(bundle.policy, labels, probabilities, replicates=30).figures()
    parts = replace(bundle_parts(small_contract()), metrics=metrics)
    complete = Bundle(bundle.bundle_id, bundle.manifest, parts)
    groups = {
        "gender": rng.choice(["F", "M|<b>"], CLIENTS).tolist(),
        "age_band": ["below 25"] * 30 + ["25 to 34"] * 670,
    }
    report = report_on(complete, (matrix, labels), (matrix, labels), baseline=baseline, groups=groups, explain_rows=200)
    return complete, report


@pytest.fixture(scope="module")
def facts(judged):
    bundle, report = judged
    return CardFacts(
        bundle,
        report,
        monotone={
            "ext_source_1": Constraint("falls", "a better score"),
            "ext_source_3": Constraint("falls", "a better score"),
            "not_in_the_contract": Constraint("rises", "nobody asks"),
        },
        cross_validation={"auc": [0.7, 0.8, 0.75]},
        fairness_limits={"gender": {"adverse_impact_ratio": 2.0, "calibration_gap": 1.0}},
        version="7",
    )


@pytest.fixture(scope="module")
def drawn(judged):
    return {name: draw(judged[1]) for name, draw in PICTURES.items()}


@pytest.fixture(scope="module")
def written(facts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    (folder / "plots").mkdir()
    for name, content in card_files(facts, write_plots(folder / "plots", facts.report)).items():
        (folder / name).write_text(content, "utf-8")
    return folder


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_and_says_what_its_axes_are(name, drawn, written):
    pixels = matplotlib.image.imread(written / "plots" / f"{name}.png")
    assert min(pixels.shape[:2]) > 400
    assert pixels[..., :3].std() > 0.05
    assert LABELS[name] in {axes.get_xlabel() for axes in drawn[name].axes}


@pytest.mark.parametrize(
    "name", ["roc", "precision_recall", "reliability", "scores", "cost", "risk_bands", "importance"]
)
def test_a_picture_says_on_whom_it_is_drawn(name, drawn):
    texts = [text.get_text() for axes in drawn[name].axes for text in axes.texts]
    assert any(f"out-of-time test: {CLIENTS} clients" in text for text in texts)


def test_titles_hold_figures_with_intervals(judged, drawn):
    _, report = judged
    title = f"AUC {report.metrics['auc']:.3f} ({report.metrics['auc_low']:.3f} to {report.metrics['auc_high']:.3f})"
    assert any(title in text.get_text() for text in drawn["roc"].axes[0].texts)


def test_pictures_need_neither_baseline_nor_groups(judged):
    report = replace(judged[1], baseline=None, fairness=None)
    assert PICTURES["fairness"](report) is None
    labels = [line.get_label() for name in ("roc", "cost") for line in PICTURES[name](report).axes[0].lines]
    assert "model" in labels
    assert not [label for label in labels if label.startswith("logistic")]


def test_small_groups_are_marked(drawn):
    texts = [text.get_text() for text in drawn["fairness"].axes[0].get_yticklabels()]
    assert "below 25 (30, not judged)" in texts
    assert "25 to 34 (670)" in texts


class Page(HTMLParser):
    """Counts tags and collects attributes; unclosed tags are left in `open`."""

    void = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_needs_nothing_else(written):
    text = (written / "model_card.html").read_text("utf-8")
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.tags.count("img") == len(PICTURES)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert not {"script", "link", "iframe"} & set(parsed.tags)
    sources = [value for name, value in parsed.attributes if name == "src"]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    anchors = {value for name, value in parsed.attributes if name == "id"}
    assert {value[1:] for name, value in parsed.attributes if name == "href"} == anchors
    assert len(text) < 1_500_000


def test_names_from_data_stay_text(written):
    parsed = Page((written / "model_card.html").read_text("utf-8"))
    assert "b" not in parsed.tags
    assert "M|<b>" in parsed.text


def test_the_card_says_what_a_validator_asks(written, judged):
    text = (written / "model_card.md").read_text("utf-8")
    metrics = judged[1].metrics
    asked = [
        "# credit-scoring, version 7",
        "Not for:",
        f"{metrics['auc']:.3f} ({metrics['auc_low']:.3f} to {metrics['auc_high']:.3f})",
        f"| {metrics['baseline_auc']:.3f} | 0.500 |",
        "`ext_source_1`, `ext_source_3` | risk falls | a better score",
        "| auc | 0.7500 | 0.0500 |",
        "1 / (1 + 10)",
        judged[1].threshold.verdict[1:],
        "below 25 (not judged)",
        "(at least 2)** |",
        "(at most 1) |",
        "Each of the",
        "creditctl models rebuild 7",
        "0" * 64,
    ]
    assert [part for part in asked if part not in text] == []


def test_every_table_row_has_the_cells_of_its_head(written):
    width = None
    for line in (written / "model_card.md").read_text("utf-8").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert cells is None or width is None or cells == width, line
        width = cells


def test_fairness_is_there_for_machines_too(written, judged):
    stored = FairnessReport.model_validate(json.loads((written / "fairness.json").read_text("utf-8")))
    assert stored == judged[1].fairness


def test_a_bundle_alone_has_a_card(bundle, judged):
    assert model_card(bundle).startswith("# credit-scoring\n")
    text = model_card(judged[0])
    assert judged[1].threshold.expected == pytest.approx(1 / 11)
    assert "lies inside" in text or "lies outside" in text
    assert "Fairness" not in text
    assert Page(page(CardFacts(bundle), {})).tags.count("img") == 0


def test_no_constraints_and_unknown_constraints_are_told_apart(bundle):
    assert "No feature is held to one direction" in markdown(CardFacts(bundle, monotone={}))
    others = {"not_in_the_contract": Constraint("rises", "nobody asks")}
    assert "No feature is held to one direction" in markdown(CardFacts(bundle, monotone=others))
    assert "one direction" not in markdown(CardFacts(bundle))


def test_groups_read_from_young_to_old_and_the_unknown_last(judged):
    (_, ages) = judged[1].fairness.attributes
    groups = [one.model_copy(update={"group": name}) for one in ages.groups for name in ("unknown", "65 and over")]
    found = [one.group for one in in_reading_order([*groups, *ages.groups])]
    assert found[0] == "below 25"
    assert found[-1] == "unknown"


def test_an_explanation_adds_up_to_the_margin(bundle, matrix):
    explained = explain(bundle, matrix, 50, seed=3)
    margin = bundle.predict(explained.values).margin
    assert margin.size == 50
    np.testing.assert_allclose(explained.contributions.sum(axis=1), margin, atol=1e-9)
    business = explained.business
    np.testing.assert_allclose(business.contributions.sum(axis=1) + business.base, margin, atol=1e-9)


def test_global_importance_is_the_mean_size_of_contributions(bundle, matrix):
    found = global_importance(bundle, matrix, CLIENTS, seed=0)
    expected = np.abs(bundle.contributions(matrix)[:, :-1]).mean(axis=0)
    assert found == pytest.approx(dict(zip(bundle.contract.names, expected, strict=True)))
    assert list(found.values()) == sorted(found.values(), reverse=True)
