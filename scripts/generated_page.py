"""Pages that are generated from the code: written, or with --check only compared."""

import sys
from pathlib import Path


def write_or_check(page: Path, wanted: str) -> int:
    """Write `page`; with --check on the command line, exit code 1 unless it holds `wanted` already."""
    if "--check" not in sys.argv:
        page.write_text(wanted, "utf-8")
        return 0
    if page.exists() and page.read_text("utf-8") == wanted:
        return 0
    sys.stderr.write(f"{page} is out of date: run `make pages`\n")
    return 1
