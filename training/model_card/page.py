"""The card as one page of HTML that needs nothing else: pictures and styles are inside."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from training.model_card.facts import CardFacts, Section
from training.model_card.markdown import sections, title

_CAPTIONS = {
    "roc": "Defaulters caught against payers refused, over all thresholds.",
    "precision_recall": "How pure a refused group is, for how many defaulters it holds.",
    "scores": "Points of payers and of defaulters, with the risk bands.",
    "reliability": "Default rate against mean probability, and where the probabilities lie.",
    "cost": "Cost per client over all thresholds.",
    "risk_bands": "Default rate and mean probability of each band.",
    "importance": "Mean absolute contribution of each reason.",
    "beeswarm": "Contributions of the strongest features: one dot per client.",
    "fairness": "How groups of people fare, beside all clients.",
}

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1d1d1f; margin: 0 auto;
  max-width: 58rem; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; }
.kind { margin: 0; color: #5b6068; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 2px solid #0072b2; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 1rem 0 0; font-size: .9rem; }
a { color: #005a8d; }
code { font-size: .86em; background: #f3f4f6; padding: .05em .3em; border-radius: 3px; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #dcdfe4; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #9aa1ab; vertical-align: bottom; }
figure { margin: 1.4rem 0; }
img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .85rem; color: #5b6068; margin-top: .3rem; }
@media print {
  body { font-size: 10.5pt; max-width: none; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; }
  table, figure { break-inside: avoid; }
  figure img { max-height: 17cm; }
}
"""


def page(facts: CardFacts, pictures: Mapping[str, Path]) -> str:
    """HTML of the whole card.

    Args:
        facts: what it says.
        pictures: PNG files by name, as `training.plots.write_plots` returns them.
    """
    made = sections(facts)
    contents = "\n".join(f'<a href="#{_anchor(section)}">{escape(section.title)}</a>' for section in made)
    # Raw HTML stays off: names of groups and features are data.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = "\n".join(_section(section, reader, pictures) for section in made)
    name = escape(title(facts))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Model card: {name}</title>
<style>{_STYLE}</style>
</head>
<body>
<header><p class="kind">Model card</p><h1>{name}</h1>
<nav aria-label="Contents">
{contents}
</nav></header>
<main>
{body}
</main>
</body>
</html>
"""


def _section(section: Section, reader: MarkdownIt, pictures: Mapping[str, Path]) -> str:
    figures = "\n".join(_picture(name, pictures[name]) for name in section.pictures if name in pictures)
    heading = f'<h2 id="{_anchor(section)}">{escape(section.title)}</h2>'
    return f"<section>\n{heading}\n{reader.render(section.text)}{figures}\n</section>"


def _picture(name: str, file: Path) -> str:
    caption = escape(_CAPTIONS[name])
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _anchor(section: Section) -> str:
    return section.title.lower().replace(" ", "-")
