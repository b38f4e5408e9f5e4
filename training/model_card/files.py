"""Everything that people read of one model, as files."""

from collections.abc import Mapping
from pathlib import Path

from training.model_card.facts import CardFacts
from training.model_card.markdown import markdown
from training.model_card.page import page

MARKDOWN_FILE = "model_card.md"
PAGE_FILE = "model_card.html"
FAIRNESS_FILE = "fairness.json"


def card_files(facts: CardFacts, pictures: Mapping[str, Path]) -> dict[str, str]:
    """Content by file name: the card as Markdown and as a page, and with groups the fairness report for machines.

    Args:
        facts: what the card says.
        pictures: PNG files by name, as `training.plots.write_plots` returns them.
    """
    files = {MARKDOWN_FILE: markdown(facts), PAGE_FILE: page(facts, pictures)}
    if facts.report and facts.report.fairness:
        files[FAIRNESS_FILE] = facts.report.fairness.model_dump_json(indent=1)
    return files
