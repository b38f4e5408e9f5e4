"""The one way to open DuckDB: nothing comes from the network, and standard output belongs to the command's answer."""

import duckdb

Setting = str | bool | int


def connect(**settings: Setting) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with these settings; the caller closes it."""
    offline: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(config=offline | settings)
    # DuckDB draws a bar of its own on standard output, also into a pipe, when a query takes two seconds.
    connection.execute("SET enable_progress_bar = false")
    return connection
