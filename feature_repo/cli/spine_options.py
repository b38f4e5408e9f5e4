"""The spine that `creditctl features backfill` is asked for."""

from credit.errors import SettingsError
from feature_repo.aggregates.month_ends import MONTH_ENDS, Months


def spine_name(spine: str, first: str | None, last: str | None) -> str:
    """The name of the spine, with its months if it is one of month ends.

    Raises:
        SettingsError: months are missing, or given for another spine.
        DataError: a month is malformed, or the range runs backwards.
    """
    if spine != MONTH_ENDS:
        if first or last:
            raise SettingsError(f"--from and --to belong to --spine {MONTH_ENDS}, not to --spine {spine}")
        return spine
    if not (first and last):
        raise SettingsError(f"--spine {MONTH_ENDS} needs its first and last month, like --from 2023-01 --to 2023-12")
    return Months.parse(first, last).name
