"""What a benchmark prints and writes: rows of work, value and what was asked for, with machine and versions."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from credit.files import write_text

#: Clients of the full size: as many as the public data has.
FULL = 356_255
PACKAGES = ("duckdb", "evidently", "feast", "lightgbm", "numpy", "pyarrow", "ray", "redis", "shap")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    Attributes:
        work: what was done.
        value: the figure in `unit`.
        unit: its unit.
        baseline: the same work done the other way, in the same unit; None without one.
        ratio: baseline to value, or value to baseline for rates: how many times better.
        peak_rss_mib: peak memory of the process that did the work; None where it is not its own process.
        must: what has to hold, in words; empty for a figure that is only reported.
        met: whether it does; None without `must`.
    """

    work: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    peak_rss_mib: float | None = None
    must: str = ""
    met: bool | None = None


def machine() -> dict[str, Any]:
    """The machine and how busy it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Python and the packages that the figures depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def write_report(path: Path, rows: list[Row], facts: dict[str, Any]) -> None:
    """Write all rows with machine, versions and `facts`, then print them as a table."""
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        **facts,
        "rows": [asdict(row) for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(report, indent=1) + "\n")
    print_table(rows)
    print(f"written to {path}")


def print_table(rows: list[Row]) -> None:
    """One line per row; what is not met stands out by its word, not by its colour alone."""
    table = Table("work", "value", "baseline", "ratio", "peak MiB", "must", "met")
    for row in rows:
        met = "" if row.met is None else ("yes" if row.met else "[bold red]NO[/bold red]")
        table.add_row(
            row.work,
            f"{_short(row.value)} {row.unit}",
            _short(row.baseline),
            _short(row.ratio),
            _short(row.peak_rss_mib),
            row.must,
            met,
        )
    Console(width=160).print(table)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
