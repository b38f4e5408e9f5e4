"""What an ingestion did, for people: one table and a few lines."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from feature_repo.ingest.events import EventsMeta
from feature_repo.ingest.pipeline import Outcome


def print_report(outcome: Outcome, console: Console) -> None:
    """Print counts per table, then unknown categories, warnings and figures."""
    meta = outcome.store.meta
    console.print(_counts(meta))
    for line in _lines(outcome, meta):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _counts(meta: EventsMeta) -> Table:
    table = Table("table", title="Rows and events")
    for heading in ("read", "of these after T0", "kept", "dropped", "events"):
        table.add_column(heading, justify="right")
    for name, counts in meta.tables.items():
        dropped = sum(counts.dropped.values())
        table.add_row(name, *(f"{n:,}" for n in (counts.read, counts.read_later, counts.kept, dropped, counts.rows)))
    return table


def _lines(outcome: Outcome, meta: EventsMeta) -> Iterator[str]:
    for name, counts in meta.tables.items():
        yield from (f"dropped from {name}: {rows:,} rows ({reason})" for reason, rows in counts.dropped.items())
    for unknown in meta.unknown_categories:
        yield f"unknown category in {unknown.table}.{unknown.column}: {unknown.value!r} in {unknown.rows:,} rows"
    yield from (f"warning: {warning}" for warning in meta.warnings)
    if meta.weekday_agreement is not None:
        yield f"weekdays of previous applications agree with T0: {meta.weekday_agreement:.1%} (real data: about 86 %)"
    yield f"{meta.clients:,} clients in {meta.buckets} buckets; the data's present is {meta.as_of_now.isoformat()}"
    if outcome.unchanged:
        yield f"unchanged: {outcome.store.root} was made from these files with these options (--force redoes it)"
    else:
        yield f"wrote {outcome.store.root} in {meta.seconds:.1f} s, peak memory {meta.peak_memory_mib:,.0f} MiB"
