"""The buckets of a run: those that are not done yet are scored, then the run is declared whole."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from credit.errors import StepError
from credit.progress import peak_memory_mib, step
from feature_repo.aggregates.claim import Claim
from feature_repo.portfolio.plan import Portfolio
from feature_repo.tasks import Tasks
from training.batch.output import Counts, Plan, RunFolder, total
from training.batch.score import BucketScored, BucketTask, score_bucket
from training.batch.shipped import ShippedBundle

_EPOCH = datetime.fromtimestamp(0, UTC)


class Work:
    """What is left to do of a run, and what it took.

    Attributes:
        done: counts by bucket.
        resumed: how many buckets were done before.
        seconds: of scoring.
        scored_now: clients of the buckets that were not done before.
        peak_memory_mib: of the process that took most.
    """

    def __init__(self, folder: RunFolder, plan: Plan, portfolio: Portfolio) -> None:
        self._folder, self._plan, self._portfolio = folder, plan, portfolio
        self.done: dict[int, Counts] = folder.finished(plan.scoring)
        self.resumed = len(self.done)
        self.seconds = 0.0
        self.scored_now = 0
        self.peak_memory_mib = 0.0

    @property
    def counts(self) -> Counts:
        """Of all clients."""
        return total(self.done[bucket] for bucket in sorted(self.done))

    @property
    def is_whole(self) -> bool:
        """Whether an earlier command has done everything."""
        return self.resumed == len(self._portfolio.buckets) and self._folder.is_complete()

    def do(self, tasks: Tasks, shipped: ShippedBundle, claim: Claim, expected: int) -> None:
        """Score what is not done, and write the manifest.

        Args:
            tasks: where buckets are scored.
            shipped: the model.
            claim: on the run.
            expected: about how many clients there are.

        Raises:
            CreditError: the first error of a bucket.
            StepError: another command took the run over, or the features were built anew.
        """
        started = time.perf_counter()
        with step("Score the portfolio", total=expected) as progress, _scoring(tasks) as score:
            progress.advance(self.counts.clients)
            for bucket in tasks.run(score, self._tasks(tasks, shipped)):
                claim.check()
                self._take(bucket)
                progress.advance(bucket.counts.clients)
            progress.set_total(self.counts.clients)
        self.seconds = time.perf_counter() - started
        self.peak_memory_mib = max(self.peak_memory_mib, peak_memory_mib())
        if not self._portfolio.is_current():
            raise StepError("the features were built anew while clients were scored: repeat it with --force")
        claim.check()
        self._folder.complete(self._plan.scoring, self.counts)

    def _take(self, bucket: BucketScored) -> None:
        self.done[bucket.bucket] = bucket.counts
        self.scored_now += bucket.counts.clients
        self.peak_memory_mib = max(self.peak_memory_mib, bucket.peak_memory_mib)

    def _tasks(self, tasks: Tasks, shipped: ShippedBundle) -> Iterator[BucketTask]:
        shared, scoring = tasks.share(shipped), self._plan.scoring
        for bucket in self._portfolio.buckets:
            if bucket.number not in self.done:
                yield BucketTask(
                    bucket=bucket,
                    bundle=shared,
                    model=scoring.model,
                    language=scoring.language,
                    now_us=(self._plan.started - _EPOCH) // timedelta(microseconds=1),
                    folder=self._folder.folder,
                    scoring=scoring.digest,
                )


@contextmanager
def _scoring(tasks: Tasks) -> Iterator[Callable[[BucketTask], BucketScored]]:
    """What scores a bucket: with as many threads as `tasks` allows, here one for each processor."""
    if tasks.threads is not None:
        yield score_bucket
        return
    # A pool for all buckets, because one bucket alone would leave processors idle while its last part is computed.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield partial(score_bucket, spread=pool.map)
