"""Write `docs/reference/metrics.md` from the metrics' definitions; with --check, fail if it is out of date."""

from collections.abc import Iterator
from pathlib import Path

from generated_page import write_or_check

from serving.instruments import Metric
from serving.metrics import METRICS
from serving.shadow_metrics import SHADOW_METRICS

PAGE = Path("docs/reference/metrics.md")
_INTRODUCTION = """# Metrics

What `/metrics` of the scoring service tells, in Prometheus' text format. No label names a client. A metric holds
at most 500 label sets per process; more are counted under `other`. How to collect them:
[observe](../how-to/observe.md). Generated from the definitions by `make pages`.

| metric | kind | labels | meaning |
|---|---|---|---|
"""
_ALL = (*METRICS, *SHADOW_METRICS)
_KINDS = {
    "counter": "counter",
    "gauge": "gauge, summed over the replicas",
    "info": "gauge, the largest of the replicas",
    "histogram": "histogram",
}


def page() -> str:
    """The whole page."""
    rows = "".join(f"{_row(metric)}\n" for metric in _ALL)
    return f"{_INTRODUCTION}{rows}\n## Buckets\n\n" + "\n".join(_buckets()) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"| `{metric.name}` | {_KINDS[metric.kind]} | {labels} | {metric.help} |"


def _buckets() -> Iterator[str]:
    for metric in _ALL:
        if metric.buckets:
            yield f"- `{metric.name}`: {', '.join(f'{bound:g}' for bound in metric.buckets)}"


if __name__ == "__main__":
    raise SystemExit(write_or_check(PAGE, page()))
