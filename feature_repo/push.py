"""Fresh rows into the online store at once, before the night's build: new applications, or rows computed elsewhere."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from credit.clock import bucket_of
from credit.errors import DataError, SettingsError
from credit.platform import Home
from credit.schemas.features import Frozen, ViewBatch, ViewStatus
from feature_repo.catalogue import View, load_catalogue
from feature_repo.fresh.applications import Applications
from feature_repo.fresh.compute import features_at_application
from feature_repo.fresh.offline_run import append_run
from feature_repo.fresh.online import OnlinePush, stored_rows
from feature_repo.ingest.events import EventsMeta, EventStore, UnknownCategory
from feature_repo.locations import event_store, events_location, offline_location
from feature_repo.settings import FeatureSettings
from feature_repo.sources import CREATED_TIMESTAMP, EVENT_TIMESTAMP

_SHOWN = 5
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How to push. `offline` also appends the rows to the offline store; `no_history` takes nobody to have any."""

    offline: bool = False
    no_history: bool = False
    settings: FeatureSettings = field(default_factory=FeatureSettings)


class PushReport(Frozen):
    """What a push did.

    `kept` names the clients of whom a newer row stayed in some view; `run` the run of the offline store, if any.
    """

    views: tuple[str, ...]
    clients: int
    kept: tuple[int, ...]
    unknown_categories: tuple[UnknownCategory, ...]
    run: str | None
    created_ts: datetime
    seconds: float


def push_applications(
    home: Home, applications: Applications, at: datetime | None = None, options: PushOptions | None = None
) -> PushReport:
    """Make the clients of new applications scorable at once.

    Every online view is computed as of the application: the application counts from its own moment, history as far as
    it was known before it.

    Args:
        home: platform folder with ingested events and an applied registry.
        applications: one new application per client.
        at: their T0. Default: the present of the ingested data.
        options: see `PushOptions`.

    Raises:
        DataError: no events are ingested, or `at` lies before a client's newest application or in the future.
        SettingsError: `at` or `no_history` contradict what is ingested.
        FeatureError: the views are not registered.
        StoreUnavailableError: the online store did not take the rows.
    """
    started, chosen = time.perf_counter(), options or PushOptions()
    store = _history(home, chosen)
    moment = _moment(at, store.meta if store else None)
    views = load_catalogue().views
    online = tuple(view for view in views if view.online)
    if store:
        _refuse_older(moment, _newest_applications(store, applications.clients))
    else:
        _refuse_known(applications.clients, stored_rows(chosen.settings, online, applications.clients))
    computed = views if chosen.offline else online
    tables = features_at_application(applications.events(moment), computed, store, chosen.settings)
    report = _push(home, tables, online, chosen, started)
    return report.model_copy(update={"unknown_categories": applications.unknown_categories})


def push_rows(home: Home, view: View, rows: pa.Table, options: PushOptions | None = None) -> PushReport:
    """Push rows of one view that were computed elsewhere.

    Args:
        home: platform folder with an applied registry.
        view: the view.
        rows: in the schema of `feature_repo.aggregates.compute.view_schema`; see `read_view_rows`.
        options: see `PushOptions`.

    Raises:
        DataError: a row is as of the future, or `offline` is asked for without ingested events.
        FeatureError: the view is kept offline, or not registered.
        StoreUnavailableError: the online store did not take the rows.
    """
    started, chosen = time.perf_counter(), options or PushOptions()
    _moment(pc.max(rows[EVENT_TIMESTAMP]).as_py(), _meta(home))
    return _push(home, {view.name: rows}, (view,), chosen, started)


def _push(
    home: Home, tables: Mapping[str, pa.Table], online: Sequence[View], options: PushOptions, started: float
) -> PushReport:
    created = datetime.now(UTC)
    feast = OnlinePush(home, online)
    stamped = {name: _stamped(table, created) for name, table in tables.items()}
    # Offline first: what is served is then never without its history, and a repeated push is harmless.
    run = None
    if options.offline:
        run = append_run(offline_location(home, options.settings), stamped, created, event_store(home).buckets)
    feast.write(stamped)
    clients = next(iter(tables.values()))["SK_ID_CURR"].unique().to_pylist()
    return PushReport(
        views=tuple(view.name for view in online),
        clients=len(clients),
        kept=_kept(stored_rows(options.settings, online, clients), clients, created),
        unknown_categories=(),
        run=run,
        created_ts=created,
        seconds=round(time.perf_counter() - started, 2),
    )


def _stamped(table: pa.Table, created: datetime) -> pa.Table:
    stamps = pa.repeat(pa.scalar(created, pa.timestamp("us", "UTC")), table.num_rows)
    return table.add_column(2, CREATED_TIMESTAMP, stamps)


def _kept(stored: Mapping[str, ViewBatch], clients: Sequence[int], created: datetime) -> tuple[int, ...]:
    """Clients of whom some view does not hold the row that was built just now."""
    built_us = (created - _EPOCH) // timedelta(microseconds=1)
    older = [batch.built_us != built_us for batch in stored.values()]
    return tuple(client for at, client in enumerate(clients) if any(found[at] for found in older))


def _history(home: Home, options: PushOptions) -> EventStore | None:
    if not options.no_history:
        try:
            return event_store(home)
        except DataError as error:
            raise DataError(f"{error}; or say with --no-history that these clients have none") from None
    if _meta(home) is not None:
        raise SettingsError(
            f"--no-history is for machines without events, but {events_location(home)} holds some: leave it out"
        )
    return None


def _meta(home: Home) -> EventsMeta | None:
    try:
        return event_store(home).meta
    except DataError:
        return None


def _moment(at: datetime | None, meta: EventsMeta | None) -> datetime:
    if at is None and meta is None:
        raise SettingsError("say with --at when the applications were made: there is no data whose present it could be")
    now = datetime.now(UTC)
    latest = now if meta is None else max(now, meta.as_of_now)
    moment = at or (meta.as_of_now if meta else now)
    if moment > latest:
        raise DataError(f"{moment.isoformat()} lies in the future: the latest moment is {latest.isoformat()}")
    return moment


def _newest_applications(store: EventStore, clients: Sequence[int]) -> dict[int, datetime]:
    """T0 of the clients that are known."""
    wanted = pa.array(clients, pa.int64())
    buckets = sorted(set(bucket_of(wanted.to_numpy(), store.buckets).tolist()))
    found = [store.clients(bucket).filter(pc.field("SK_ID_CURR").isin(wanted)) for bucket in buckets]
    return {row["SK_ID_CURR"]: row["t0"] for table in found for row in table.to_pylist()}


def _refuse_older(moment: datetime, newest: Mapping[int, datetime]) -> None:
    older = [f"client {client} applied at {t0.isoformat()}" for client, t0 in sorted(newest.items()) if t0 > moment]
    if older:
        raise DataError(
            f"{len(older)} clients have a newer application than {moment.isoformat()}: nothing was pushed", older
        )


def _refuse_known(clients: Sequence[int], stored: Mapping[str, ViewBatch]) -> None:
    """Without events nobody can tell a known client's history, and an empty one would replace it."""
    found = [batch.status for batch in stored.values()]
    known = [client for at, client in enumerate(clients) if any(one[at] is not ViewStatus.NOT_FOUND for one in found)]
    if known:
        raise DataError(
            f"{len(known)} clients are online already, with a history that is not here: push them where the events are",
            [f"client {client}" for client in known[:_SHOWN]],
        )
