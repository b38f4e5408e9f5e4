"""The known values of every text column: what the public Home Credit files hold.

The facts live in `categories.json`, by table and column; `application` stands for both application tables.
"""

import json
from functools import cache
from importlib.resources import files

#: Replaces a value that is not in the vocabulary of its column.
UNKNOWN = "UNKNOWN"


@cache
def known_categories() -> dict[str, dict[str, tuple[str, ...]]]:
    """Vocabularies by table (`application` and the history tables), then by column; installments have none."""
    text = files("credit.schemas").joinpath("categories.json").read_text("utf-8")
    return {
        table: {column: tuple(values) for column, values in columns.items()}
        for table, columns in json.loads(text).items()
    }
