"""Materialises every online view over a window of data time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from feast import FeatureStore

from credit.errors import CreditError, FeatureError, StepError
from credit.platform import Home
from feature_repo.locations import offline_location
from feature_repo.online.specs import JOIN_KEY
from feature_repo.online.store import PackedRedisOnlineStore
from feature_repo.sources import EVENT_TIMESTAMP
from feature_repo.sql_engine import connect
from feature_repo.storage import Location
from feature_repo.store import registered_store
from feature_repo.tasks import Engine


@dataclass(frozen=True, slots=True)
class Window:
    """What was materialised: the window of as_of, clients per view, seconds of writing."""

    start: datetime
    end: datetime
    clients: dict[str, int]
    seconds: float


def materialize_views(
    home: Home,
    look_back: timedelta | None = None,
    *,
    replace: bool = False,
    engine: Engine | None = None,
    ray_address: str | None = None,
) -> Window:
    """Write the newest row of every client and online view whose as_of lies in the window.

    Args:
        home: platform folder with built features and an applied registry.
        look_back: the window ends with the newest as_of and is so long; without it, it begins with the oldest, because
            a client without later events keeps the as_of of its application, which may be years old.
        replace: remove every client first. Another data set needs it: a row never gives way to one of an earlier
            as_of, and nobody would remove a client that the new data does not know.
        engine: where buckets are written from; None takes the profile's.
        ray_address: of the engine `ray`; None takes the settings'.

    Raises:
        FeatureError: nothing is registered or built.
        StepError: Feast failed.
        StoreUnavailableError: Redis did not take the rows.
    """
    store = registered_store(home, engine, ray_address)
    views = sorted(view.name for view in store.list_feature_views() if view.online)
    if not views:
        raise FeatureError("no feature view is registered: run `creditctl features apply`")
    offline = offline_location(home)
    start, end = _bounds(offline, views)
    start = start if look_back is None else max(start, end - look_back)
    if replace:
        PackedRedisOnlineStore().teardown(store.config, (), ())
    started = time.perf_counter()
    _materialize(store, views, start, end)
    seconds = time.perf_counter() - started
    return Window(start, end, {view: _clients(offline, view, start, end) for view in views}, seconds)


def _materialize(store: FeatureStore, views: list[str], start: datetime, end: datetime) -> None:
    try:
        store.materialize(start_date=start, end_date=end, feature_views=views)
    except CreditError:
        raise
    except Exception as error:  # whatever Feast or an engine raises: the step failed, with this cause
        raise StepError(f"feast materialize failed: {error}. Mend the cause and repeat it; it overwrites") from error


def _bounds(offline: Location, views: list[str]) -> tuple[datetime, datetime]:
    starts, ends = zip(*(_range(offline, view) for view in views), strict=True)
    return min(starts), max(ends)


def _range(offline: Location, view: str) -> tuple[datetime, datetime]:
    oldest, newest = _query(offline, view, f"epoch_us(min({EVENT_TIMESTAMP})), epoch_us(max({EVENT_TIMESTAMP}))")
    if oldest is None:
        raise FeatureError(f"view {view} has no rows: run `creditctl features build`")
    return _moment(oldest), _moment(newest)


def _clients(offline: Location, view: str, start: datetime, end: datetime) -> int:
    window = f"epoch_us({EVENT_TIMESTAMP}) BETWEEN {_us(start)} AND {_us(end)}"
    return int(_query(offline, view, f"count(DISTINCT {JOIN_KEY}) FILTER (WHERE {window})")[0])


def _query(offline: Location, view: str, expressions: str) -> tuple[int, ...]:
    folder = offline / view
    files = [str(file) for file in folder.files() if file.name.endswith(".parquet")]
    if not files:
        raise FeatureError(f"view {view} is not built: run `creditctl features build`")
    with connect() as connection:
        folder.attach(connection)
        found = connection.execute(f"SELECT {expressions} FROM read_parquet(?)", [files])
        row: tuple[int, ...] = found.fetchall()[0]
    return row


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def _us(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
