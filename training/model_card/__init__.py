"""The model card: what a model is for, what it was trained on, how good it is, what not to do with it."""

from credit.bundle.bundle import Bundle
from training.model_card.facts import CardFacts
from training.model_card.files import card_files
from training.model_card.markdown import markdown
from training.model_card.page import page

__all__ = ["CardFacts", "card_files", "markdown", "model_card", "page"]


def model_card(bundle: Bundle) -> str:
    """Markdown of what the bundle alone tells."""
    return markdown(CardFacts(bundle))
