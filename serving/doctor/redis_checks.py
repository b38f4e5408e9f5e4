"""Redis: whether it answers, keeps what it is given, and has room; how full the decision log is."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any, Final

import redis

from credit.errors import StoreUnavailableError
from credit.schemas.decision import decision_stream_key
from feature_repo.online.connection import RedisSettings
from feature_repo.online.exchange import open_exchange, packed_command
from serving.decision_log import ALARM_SHARE
from serving.doctor.examination import Finding, fail, ok, warn
from serving.settings import ServingSettings

_SECONDS: Final = 3.0
_FULL_MEMORY: Final = 0.9
#: A decision that waits longer means that nothing archives.
_LATE: Final = timedelta(hours=24)
_MIB: Final = 1024**2


def online_store(settings: ServingSettings) -> Iterator[Finding]:
    """The server that features are read from."""
    return _server("online store", settings.feature_store, settings, decisions=False)


def decision_server(settings: ServingSettings) -> Iterator[Finding]:
    """The server that decisions are appended to."""
    return _server("decision log", settings.decision_log, settings, decisions=True)


def decision_stream(settings: ServingSettings) -> Iterator[Finding]:
    """How full the stream is, and how long its oldest decision waits for the archiver."""
    key = decision_stream_key(settings.feature_project).encode()
    length, oldest = _ask(settings.decision_log, key, (b"XLEN", key), (b"XRANGE", key, b"-", b"+", b"COUNT", b"1"))
    limit = settings.decision_stream_limit
    share = length / limit
    text = f"{length:,} of {limit:,} decisions wait to be archived"
    if share >= 1:
        yield fail("decision stream", f"{text}: scoring stops; run the archiver")
    elif share >= ALARM_SHARE:
        yield warn("decision stream", f"{text}: scoring stops at the limit; run the archiver soon")
    else:
        yield ok("decision stream", text)
    if oldest:
        yield _lag(timedelta(seconds=time.time() - int(oldest[0][0].partition(b"-")[0]) / 1000))


def _lag(age: timedelta) -> Finding:
    hours = age.total_seconds() / 3600
    text = f"the oldest decision that is not archived is {hours:.1f} h old"
    return warn("archive", f"{text}: let the archiver run") if age > _LATE else ok("archive", text)


def _server(name: str, access: RedisSettings, settings: ServingSettings, *, decisions: bool) -> Iterator[Finding]:
    key = decision_stream_key(settings.feature_project).encode()
    (info,) = _ask(access, key, (b"INFO",))
    facts = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    yield ok(name, f"{'Valkey' if 'valkey_version' in facts else 'Redis'} {_version(facts)} answers")
    yield _persistence(name, facts)
    yield _eviction(name, facts, decisions)
    yield _memory(name, facts)


def _version(facts: dict[str, str]) -> str:
    return facts.get("valkey_version") or facts.get("redis_version", "of unknown version")


def _persistence(name: str, facts: dict[str, str]) -> Finding:
    name = f"{name}: persistence"
    if facts.get("aof_enabled") != "1":
        return warn(name, "no append-only file: a restart loses what was written last; set `appendonly yes`")
    if facts.get("aof_last_write_status", "ok") != "ok":
        return fail(name, "the append-only file cannot be written: look at the server's disk and log")
    return ok(name, "append-only file")


def _eviction(name: str, facts: dict[str, str], decisions: bool) -> Finding:
    name, policy = f"{name}: eviction", facts.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return ok(name, "noeviction: nothing disappears silently")
    text = f"maxmemory-policy is {policy}: set `maxmemory-policy noeviction`, or a full server drops"
    return fail(name, f"{text} decisions") if decisions else warn(name, f"{text} features")


def _memory(name: str, facts: dict[str, str]) -> Finding:
    name, used, most = f"{name}: memory", int(facts.get("used_memory", 0)), int(facts.get("maxmemory", 0))
    if not most:
        return ok(name, f"{used / _MIB:.0f} MiB used, no limit of its own")
    text = f"{used / _MIB:.0f} of {most / _MIB:.0f} MiB used"
    if used >= most * _FULL_MEMORY:
        return fail(name, f"{text}: writes are refused when it is full; raise `maxmemory`, or archive and prune")
    return ok(name, text)


def _ask(access: RedisSettings, key: bytes, *commands: tuple[bytes, ...]) -> list[Any]:
    bounded = access.model_copy(update={"connect_timeout": _SECONDS, "read_timeout": _SECONDS})
    with closing(open_exchange(bounded)) as exchange:
        try:
            return exchange.ask([packed_command(*words) for words in commands], [key] * len(commands))
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailableError(
                f"does not answer ({error}): start it with `creditctl redis start`, or look at SERVING_REDIS_URL and "
                "SERVING_DECISION_REDIS_URL"
            ) from error
