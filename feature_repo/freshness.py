"""How fresh the feature views are: what was built, and what serving would read now."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import redis
from numpy.typing import NDArray

from credit.errors import StoreUnavailableError
from credit.schemas.features import Frozen, ViewBatch, ViewStatus
from feature_repo.aggregates.manifest import RunManifest, read_manifests
from feature_repo.catalogue import View
from feature_repo.online.keys import PROJECT, client_key_pattern, client_of_key
from feature_repo.online_access import online_exchange, online_reader
from feature_repo.settings import FeatureSettings
from feature_repo.storage import Location

#: `absent`: nobody is online. `incomplete`: some client has no row, or one of another schema. `stale`: all have rows,
#: some older than the view's TTL. `offline`: the view is kept offline on purpose.
Verdict = Literal["fresh", "stale", "incomplete", "absent", "offline"]
_EPOCH = datetime.fromtimestamp(0, UTC)


class OnlineState(Frozen):
    """One view of the clients looked at; shares of them by status, times of the rows that can be read."""

    clients: int
    present: float
    stale: float
    missing: float
    schema_mismatch: float
    oldest_as_of: datetime | None
    newest_as_of: datetime | None
    oldest_built: datetime | None
    newest_built: datetime | None


class ViewFreshness(Frozen):
    """One view: its limit, its newest finished build, what is online, and the verdict."""

    view: str
    ttl_hours: int
    last_run: str | None
    last_build: datetime | None
    online: OnlineState | None
    verdict: Verdict


def freshness(offline: Location, views: Sequence[View], settings: FeatureSettings, sample: int) -> list[ViewFreshness]:
    """The freshness of each view.

    Args:
        offline: the offline store.
        views: in the order wanted.
        settings: where the online store is.
        sample: most clients to look at.

    Raises:
        StoreUnavailableError: the online store does not answer.
        CodecError: a stored row is damaged.
    """
    clients = sampled_clients(settings, sample)
    online = [view for view in views if view.online]
    with closing(online_reader(settings, [view.spec for view in online])) as reader:
        stored = reader.read(clients)
    manifests = sorted(read_manifests(offline).values(), key=lambda manifest: manifest.created_ts)
    states = {name: _state(batch) for name, batch in stored.items()}
    return [_freshness(view, manifests, states.get(view.name)) for view in views]


def sampled_clients(settings: FeatureSettings, most: int) -> list[int]:
    """Ids of up to `most` clients that are online, as the server's scan meets them.

    Raises:
        StoreUnavailableError: the online store does not answer.
    """
    found: dict[int, None] = {}  # a scan may meet a key twice
    try:
        with closing(online_exchange(settings)) as store:
            for keys in store.scan(client_key_pattern(PROJECT)):
                clients = (client_of_key(PROJECT, key) for key in keys)
                found |= {client_id: None for client_id in clients if client_id is not None}
                if len(found) >= most:
                    break
    except (redis.RedisError, OSError) as error:
        raise StoreUnavailableError(
            f"the online store does not answer: {error}; start it with `creditctl redis start`, or set "
            "FEATURES_REDIS_URL"
        ) from error
    return [*found][:most]


def _freshness(view: View, manifests: Sequence[RunManifest], state: OnlineState | None) -> ViewFreshness:
    last = next((manifest for manifest in reversed(manifests) if view.name in manifest.features), None)
    return ViewFreshness(
        view=view.name,
        ttl_hours=view.ttl_hours,
        last_run=last.run if last else None,
        last_build=last.created_ts if last else None,
        online=state,
        verdict=_verdict(state),
    )


def _verdict(state: OnlineState | None) -> Verdict:
    if state is None:
        return "offline"
    if state.clients == 0:
        return "absent"
    if state.missing or state.schema_mismatch:
        return "incomplete"
    return "stale" if state.stale else "fresh"


def _state(batch: ViewBatch) -> OnlineState:
    count = len(batch.status)
    share = {status: batch.status.count(status) / count if count else 0.0 for status in ViewStatus}
    readable = np.array([status in (ViewStatus.PRESENT, ViewStatus.STALE) for status in batch.status], dtype=np.bool_)
    oldest_as_of, newest_as_of = _range(batch.as_of_us[readable])
    oldest_built, newest_built = _range(batch.built_us[readable])
    return OnlineState(
        clients=count,
        present=share[ViewStatus.PRESENT],
        stale=share[ViewStatus.STALE],
        missing=share[ViewStatus.NOT_FOUND],
        schema_mismatch=share[ViewStatus.SCHEMA_MISMATCH],
        oldest_as_of=oldest_as_of,
        newest_as_of=newest_as_of,
        oldest_built=oldest_built,
        newest_built=newest_built,
    )


def _range(microseconds: NDArray[np.int64]) -> tuple[datetime | None, datetime | None]:
    if not microseconds.size:
        return None, None
    oldest, newest = (_EPOCH + timedelta(microseconds=int(at)) for at in (microseconds.min(), microseconds.max()))
    return oldest, newest
