"""Batch scoring in a process of its own: rates with and without reasons, against LightGBM's own on the same rows.

python -m benchmarks.batch_scoring --json    (CREDIT_HOME names the platform, which holds a champion)
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import numpy as np

from credit.bundle.bundle import Bundle
from credit.bundle.encoding import Matrix
from credit.platform import Home
from credit.progress import peak_memory_mib
from credit.reason_codes import Language
from feature_repo.aggregates.claim import claimed
from feature_repo.portfolio.plan import Portfolio, open_portfolio
from feature_repo.portfolio.rows import read_bucket
from feature_repo.storage import Location
from feature_repo.tasks import OverlappingTasks
from training.batch.output import RunFolder, Scoring
from training.batch.run import Model, fetch_model
from training.batch.shipped import loaded
from training.batch.work import Work
from training.settings import TrainingSettings

#: Clients that are scored with reasons, which takes a dozen times longer than without. Of fewer, the beginning and the
#: end of a run, where a processor waits, weigh more than they do in a portfolio.
_SAMPLE = 120_000
#: As many as a bucket has: the contributions of all rows at once would take gigabytes.
_ROWS_AT_ONCE = 4_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Clients scored, wall and processor seconds, and clients per wall second."""

    clients: int
    seconds: float
    cpu_seconds: float
    clients_per_second: float

    def __add__(self, other: "Rate") -> "Rate":
        """One after the other."""
        return _rate(self.clients + other.clients, self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """What was measured.

    Attributes:
        clients: of the portfolio.
        trees: of the model.
        threads: processors used.
        without_reasons: the whole portfolio, from feature files to written Parquet.
        with_reasons: a sample of buckets, from feature files to written Parquet.
        pred_contrib: LightGBM's exact contributions on all processors, on the matrix of the same clients, alone.
        with_reasons_ratio: rate with reasons to that of `pred_contrib`.
        peak_memory_mib: of scoring without reasons; with them a bucket needs its contributions besides.
    """

    clients: int
    trees: int
    threads: int
    without_reasons: Rate
    with_reasons: Rate
    pred_contrib: Rate
    with_reasons_ratio: float
    peak_memory_mib: float


def measure(home: Home, sample: int = _SAMPLE) -> BatchFigures:
    """Score the portfolio without reasons, and about `sample` of its clients with them."""
    model = fetch_model(home, TrainingSettings(), "champion")
    bundle = loaded(model.shipped)
    portfolio = open_portfolio(home, bundle.contract.views)
    bare = _scored(portfolio, model, None)
    clients = bare.clients
    peak = peak_memory_mib()
    threads = len(os.sched_getaffinity(0))
    buckets = portfolio.buckets[: max(1, round(len(portfolio.buckets) * sample / clients))]
    explained, own = _nothing(), _nothing()
    for part in filter(None, (buckets[: len(buckets) // 2], buckets[len(buckets) // 2 :])):
        chosen = replace(portfolio, buckets=part)
        matrix = _matrix(bundle, chosen)
        # Half before and half after, because other work on the machine comes and goes.
        own += _pred_contrib(bundle, matrix[: len(matrix) // 2], threads)
        explained += _scored(chosen, model, "en")
        own += _pred_contrib(bundle, matrix[len(matrix) // 2 :], threads)
    return BatchFigures(
        clients=clients,
        trees=bundle.trees,
        threads=threads,
        without_reasons=bare,
        with_reasons=explained,
        pred_contrib=own,
        with_reasons_ratio=round(explained.clients_per_second / own.clients_per_second, 3),
        peak_memory_mib=round(peak, 1),
    )


def _scored(portfolio: Portfolio, model: Model, language: Language | None) -> Rate:
    scoring = Scoring(model=model.version, features=portfolio.runs, buckets=len(portfolio.buckets), language=language)
    with tempfile.TemporaryDirectory() as scratch, claimed(Location.of(scratch), "bench") as claim:
        folder = RunFolder(Location.of(scratch), "bench")
        work = Work(folder, folder.begin(scoring, datetime.now(UTC)), portfolio)
        cpu = time.process_time()
        work.do(OverlappingTasks(), model.shipped, claim, 0)
        return _rate(work.counts.clients, work.seconds, time.process_time() - cpu)


def _matrix(bundle: Bundle, portfolio: Portfolio) -> Matrix:
    now_us = time.time_ns() // 1000
    return np.concatenate([bundle.matrix(read_bucket(bucket, now_us).views) for bucket in portfolio.buckets])


def _pred_contrib(bundle: Bundle, matrix: Matrix, threads: int) -> Rate:
    started, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        bundle.reference_contributions(matrix[start : start + _ROWS_AT_ONCE], threads)
    return _rate(len(matrix), time.perf_counter() - started, time.process_time() - cpu)


def _rate(clients: int, seconds: float, cpu_seconds: float) -> Rate:
    return Rate(clients, seconds, cpu_seconds, clients / seconds if seconds else 0.0)


def _nothing() -> Rate:
    return _rate(0, 0.0, 0.0)


def main() -> None:
    """Measure the platform folder of CREDIT_HOME, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of lines for people")
    parser.add_argument("--sample", type=int, default=_SAMPLE, help="about so many clients with reasons")
    arguments = parser.parse_args()
    figures = asdict(measure(Home.current(), arguments.sample))
    print(json.dumps(figures) if arguments.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
