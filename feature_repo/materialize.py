"""Materialises every online view over a window of data time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
from feast import FeatureStore

from credit.errors import CreditError, FeatureError, StepError
from credit.platform import Home
from feature_repo.online.specs import JOIN_KEY
from feature_repo.online.store import PackedRedisOnlineStore
from feature_repo.sources import EVENT_TIMESTAMP
from feature_repo.sql_engine import connect
from feature_repo.store import open_store


@dataclass(frozen=True, slots=True)
class Window:
    """What was materialised: the window of as_of, clients per view, seconds of writing."""

    start: datetime
    end: datetime
    clients: dict[str, int]
    seconds: float


def materialize_views(home: Home, look_back: timedelta | None = None, *, replace: bool = False) -> Window:
    """Write the newest row of every client and online view whose as_of lies in the window.

    Args:
        home: platform folder with built features and an applied registry.
        look_back: the window ends with the newest as_of and is so long; without it, it begins with the oldest, because
            a client without later events keeps the as_of of its application, which may be years old.
        replace: remove every client first. Another data set needs it: a row never gives way to one of an earlier
            as_of, and nobody would remove a client that the new data does not know.

    Raises:
        FeatureError: nothing is registered or built.
        StepError: Feast failed.
        StoreUnavailableError: Redis did not take the rows.
    """
    store = open_store(home)
    views = sorted(view.name for view in store.list_feature_views() if view.online)
    if not views:
        raise FeatureError("no feature view is registered: run `creditctl features apply`")
    start, end = _bounds(home, views)
    start = start if look_back is None else max(start, end - look_back)
    if replace:
        PackedRedisOnlineStore().teardown(store.config, (), ())
    started = time.perf_counter()
    _materialize(store, views, start, end)
    seconds = time.perf_counter() - started
    return Window(start, end, {view: _clients(home, view, start, end) for view in views}, seconds)


def _materialize(store: FeatureStore, views: list[str], start: datetime, end: datetime) -> None:
    try:
        store.materialize(start_date=start, end_date=end, feature_views=views)
    except CreditError:
        raise
    except Exception as error:  # whatever Feast or an engine raises: the step failed, with this cause
        raise StepError(f"feast materialize failed: {error}. Mend the cause and repeat it; it overwrites") from error


def _bounds(home: Home, views: list[str]) -> tuple[datetime, datetime]:
    starts, ends = zip(*(_range(home, view) for view in views), strict=True)
    return min(starts), max(ends)


def _range(home: Home, view: str) -> tuple[datetime, datetime]:
    oldest, newest = _query(home, view, f"epoch_us(min({EVENT_TIMESTAMP})), epoch_us(max({EVENT_TIMESTAMP}))")
    if oldest is None:
        raise FeatureError(f"view {view} has no rows: run `creditctl features build`")
    return _moment(oldest), _moment(newest)


def _clients(home: Home, view: str, start: datetime, end: datetime) -> int:
    window = f"epoch_us({EVENT_TIMESTAMP}) BETWEEN {_us(start)} AND {_us(end)}"
    return int(_query(home, view, f"count(DISTINCT {JOIN_KEY}) FILTER (WHERE {window})")[0])


def _query(home: Home, view: str, expressions: str) -> tuple[int, ...]:
    files = str(home.offline / view / "*" / "*.parquet")
    try:
        with connect() as connection:
            found = connection.execute(f"SELECT {expressions} FROM read_parquet(?)", [files])
            row: tuple[int, ...] = found.fetchall()[0]
    except duckdb.IOException:
        raise FeatureError(f"view {view} is not built: run `creditctl features build`") from None
    return row


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def _us(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
