"""What Feast says while it works: kept for the debug log, out of people's sight and of standard output."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

log = logging.getLogger(__name__)


@contextmanager
def quiet_feast() -> Iterator[None]:
    """Send what Feast prints to the debug log, and hide ibis's use of a deprecated DuckDB name.

    Feast turns deprecation warnings on for the whole process when it is imported.
    """
    said = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(said):
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ibis\.")
        yield
    if said.getvalue().strip():
        log.debug("feast: %s", said.getvalue().strip())
