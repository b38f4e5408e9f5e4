"""The feature store measured: build, training set, materialise, reads, against Feast's own Redis store and path.

    python -m benchmarks.features [--clients 10000] [--out build/bench]

Generates and ingests a portfolio once per size (kept below the output folder), then measures everything anew. Prints a
table and writes `features.json`. Limits of time and memory are those of the full size, 356,255 clients, and scale with
the number of clients. Whatever the size, a process may take 15 s and a GiB: to start Python, Feast and the engine.
"""

import argparse
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import redis

from benchmarks.feast_own import RUN, materialize_seconds, own_store, sample_home
from benchmarks.online_reads import Latency, reader_latency, sdk_latency
from benchmarks.processes import Finished, creditctl, run
from benchmarks.report import FULL, Row, write_report
from credit.platform import Home
from credit.schemas.features import ViewSpec
from feature_repo import redis_server
from feature_repo.catalogue import load_catalogue, online_view_specs
from feature_repo.locations import event_store

#: Feast's own path takes milliseconds a client: this many tell its rate.
FEAST_CLIENTS = 2_000
ORACLE_ROWS = 2_000
_MOST_MIB, _LEAST_MIB, _LEAST_SECONDS = 8 * 1024, 1024, 15


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: the platform under test, a small one for Feast's own store, and how many clients there are."""

    home: Home
    own: Home
    clients: int

    def env(self, home: Home | None = None) -> dict[str, str]:
        """Environment of the processes that do the work."""
        return {"CREDIT_HOME": str((home or self.home).root)}

    def seconds(self, per: float, clients: int = FULL) -> float:
        """The limit at this size of work that may take `per` seconds for `clients`."""
        return max(per * self.clients / clients, _LEAST_SECONDS)

    def mib(self) -> float:
        """The limit of memory at this size."""
        return max(_MOST_MIB * self.clients / FULL, _LEAST_MIB)


def main() -> None:
    """Prepare, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    folder = chosen.out.absolute() / f"features-{chosen.clients}"
    bench = Bench(Home(folder / "platform"), Home(folder / "feast"), chosen.clients)
    rows = [*prepare(bench), *offline_rows(bench), *online_rows(bench)]
    specs = online_view_specs(load_catalogue())
    facts = {
        "clients": bench.clients,
        "views": len(specs),
        "features": sum(len(spec.columns) for spec in specs),
        "events": {name: table.rows for name, table in event_store(bench.home).meta.tables.items()},
    }
    write_report(chosen.out / "features.json", rows, facts)


def prepare(bench: Bench) -> Iterator[Row]:
    """Raw tables and events; both are kept when they are there already."""
    if not (bench.home.raw / "application_train.csv").exists():
        made = creditctl(["data", "generate", "--clients", str(bench.clients)], bench.env())
        yield Row(f"generate {bench.clients:,} clients", made.seconds, "s", peak_rss_mib=made.peak_rss_mib)
    done = creditctl(["data", "ingest", "--source", str(bench.home.raw)], bench.env())
    if not done.answer["unchanged"]:
        yield Row("ingest", done.seconds, "s", peak_rss_mib=done.peak_rss_mib)


def offline_rows(bench: Bench) -> Iterator[Row]:
    """The history of the labels, today's features, and the training set; in that order, as every night builds anew."""
    events = sum(table.rows for table in event_store(bench.home).meta.tables.values())
    history = creditctl(["features", "backfill", "--spine", "training", "--force"], bench.env())
    labels = int(history.answer["rows"])
    yield _judged(bench, f"build the history of {labels:,} labels", history, None)
    built = creditctl(["features", "build", "--force"], bench.env())
    work = f"build all features of {bench.clients:,} clients from {events / 1e6:.1f} M events"
    yield _judged(bench, work, built, 600)
    creditctl(["features", "apply"], bench.env())
    joined = run("benchmarks.training_set", [], bench.env())
    yield _judged(bench, f"training set: {labels:,} labels x {joined.answer['columns'] - 2} features", joined, 120)
    compared = run("benchmarks.training_oracle", ["--json", "--sample", str(ORACLE_ROWS)], bench.env()).answer
    differing = compared["mismatches"]
    work = f"training set against brute force: {compared['rows']:,} labels x {compared['features']} features"
    yield Row(work, differing, "mismatches", must="0", met=differing == 0)


def online_rows(bench: Bench) -> Iterator[Row]:
    """Materialise, size and reads; Feast's own path last, because importing Feast makes this process large."""
    ids = sample_home(bench.home, bench.own, min(bench.clients, FEAST_CLIENTS))
    with _private_redis(bench.home) as ours, _private_redis(bench.own) as theirs:
        creditctl(["features", "apply"], bench.env(bench.own) | {"FEATURES_REDIS_URL": theirs.url})
        done, size = _materialize(bench, ours.url)
        feast = own_store(bench.own, theirs.port)
        yield from _materialize_rows(bench, done, len(ids) / materialize_seconds(feast, bench.own))
        yield Row("size in Redis", size, "bytes/client", must="<= 2,000 bytes", met=size <= 2_000)
        specs = online_view_specs(load_catalogue())
        all_ids = _client_ids(bench.home)
        for batch, calls in ((1, 5_000), (100, 500)):
            fast = reader_latency(ours.url, specs, all_ids, batch, calls)
            slow = sdk_latency(feast, specs, ids, batch, 200 if batch == 1 else 20)
            yield from _read_rows(batch, specs, fast, slow)


def _materialize(bench: Bench, url: str) -> tuple[Finished, float]:
    """Into an empty Redis; with the bytes of memory that a client takes there."""
    with redis.Redis.from_url(url) as client:
        before = client.info("memory")["used_memory"]
        done = creditctl(["features", "materialize", "--replace"], bench.env() | {"FEATURES_REDIS_URL": url})
        return done, (client.info("memory")["used_memory"] - before) / bench.clients


def _materialize_rows(bench: Bench, done: Finished, baseline: float) -> Iterator[Row]:
    must = bench.seconds(60, 100_000)
    yield Row(
        f"materialise {bench.clients:,} clients",
        done.seconds,
        "s",
        peak_rss_mib=done.peak_rss_mib,
        must=f"<= {must:.3g} s",
        met=done.seconds <= must,
    )
    rate = float(done.answer["clients_per_second"])
    ratio = rate / baseline
    work = "materialise, rate against Feast's own path"
    yield Row(work, rate, "clients/s", baseline, ratio, must="ratio >= 50", met=ratio >= 50)


def _read_rows(batch: int, specs: tuple[ViewSpec, ...], fast: Latency, slow: Latency) -> Iterator[Row]:
    features = sum(len(spec.columns) for spec in specs)
    work = f"read {batch} client{'s' if batch > 1 else ''}, {features} features, {len(specs)} views"
    must, least = (0.25, 10) if batch == 1 else (2.0, 50)
    ratio = slow.p50 / fast.p50
    yield Row(
        f"{work}: p50",
        fast.p50,
        "ms",
        slow.p50,
        ratio,
        must=f"<= {must} ms, ratio >= {least}",
        met=fast.p50 <= must and ratio >= least,
    )
    ratio, met = slow.p99 / fast.p99, None if batch > 1 else fast.p99 <= 1.0
    yield Row(f"{work}: p99", fast.p99, "ms", slow.p99, ratio, must="" if batch > 1 else "<= 1 ms", met=met)


def _judged(bench: Bench, work: str, done: Finished, full_seconds: float | None) -> Row:
    """Time and memory of a command against limits of the full size; without a limit it is only reported."""
    if full_seconds is None:
        return Row(work, done.seconds, "s", peak_rss_mib=done.peak_rss_mib)
    seconds, mib = bench.seconds(full_seconds), bench.mib()
    return Row(
        work,
        done.seconds,
        "s",
        peak_rss_mib=done.peak_rss_mib,
        must=f"<= {seconds:.3g} s, <= {mib:,.0f} MiB",
        met=done.seconds <= seconds and done.peak_rss_mib <= mib,
    )


@contextmanager
def _private_redis(home: Home) -> Iterator[redis_server.RunningServer]:
    shutil.rmtree(home.run / "redis", ignore_errors=True)
    server = redis_server.start(home)
    try:
        yield server
    finally:
        redis_server.stop(home)


def _client_ids(home: Home) -> list[int]:
    rows = pq.read_table(home.offline / "application" / RUN, columns=["SK_ID_CURR"])
    ids: list[int] = rows["SK_ID_CURR"].to_pylist()
    return ids


if __name__ == "__main__":
    main()
