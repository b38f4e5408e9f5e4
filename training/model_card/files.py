"""Everything that people read of one model, as files."""

from pathlib import Path

from training.model_card.facts import CardFacts
from training.model_card.markdown import markdown
from training.model_card.page import page
from training.plots import write_plots

MARKDOWN_FILE = "model_card.md"
PAGE_FILE = "model_card.html"
FAIRNESS_FILE = "fairness.json"


def write_card(folder: Path, facts: CardFacts) -> None:
    """Write model_card.md, model_card.html, fairness.json and plots/<name>.png into the existing `folder`.

    Pictures need a report; fairness.json needs one with groups.
    """
    plots = folder / "plots"
    plots.mkdir()
    pictures = write_plots(plots, facts.report) if facts.report else {}
    (folder / MARKDOWN_FILE).write_text(markdown(facts), "utf-8")
    (folder / PAGE_FILE).write_text(page(facts, pictures), "utf-8")
    if facts.report and facts.report.fairness:
        (folder / FAIRNESS_FILE).write_text(facts.report.fairness.model_dump_json(indent=1), "utf-8")
