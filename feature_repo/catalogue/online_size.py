"""How many bytes a view takes online."""

import pyarrow as pa

from feature_repo.catalogue.model import View
from feature_repo.online.arrow import ARROW_TYPES, rows_of_table
from feature_repo.online.codec import encode_rows
from feature_repo.online.layout import layout_of


def online_row_bytes(view: View) -> int:
    """Bytes of one client's packed row without texts, header and checksum included; 0 for an offline view."""
    if not view.online:
        return 0
    moment = pa.array([0], pa.timestamp("us", "UTC"))
    keys = {"SK_ID_CURR": pa.array([1], pa.int64()), "as_of": moment, "created_ts": moment}
    nulls = {column.name: pa.nulls(1, ARROW_TYPES[column.type]) for column in view.spec.columns}
    rows = rows_of_table(view.spec, pa.table(keys | nulls), "SK_ID_CURR", "as_of", "created_ts", 0)
    return len(encode_rows(layout_of(view.spec), rows)[0])
