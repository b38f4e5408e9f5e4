"""One bucket of the portfolio: a task that runs anywhere, from plain arguments to one whole file and small figures."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from credit.batch import BatchScorer, ReasonColumns, ScoredBatch, Spread
from credit.bundle.bundle import Bundle
from credit.progress import peak_memory_mib
from credit.reason_codes import Language
from credit.schemas.decision import Decision, ModelVersion
from feature_repo.portfolio.rows import Bucket, ClientRows, read_bucket
from feature_repo.storage import Location
from feature_repo.tasks import Shared, name_bucket
from training.batch.output import Counts, Label, write_bucket
from training.batch.shipped import ShippedBundle, loaded

_REASON: Final = pa.struct(
    [("feature", pa.string()), ("value", pa.string()), ("contribution", pa.float64()), ("text", pa.string())]
)
_TIME: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class BucketTask:
    """What to score, with what, and where to.

    Attributes:
        bucket: whose rows.
        bundle: scores them; verified where it is used.
        model: stated in every row.
        language: of the reasons; None leaves them out.
        now_us: compared with times of build, microseconds since the epoch (UTC).
        folder: of the run.
        scoring: digest of what the run is of.
    """

    bucket: Bucket
    bundle: Shared[ShippedBundle]
    model: ModelVersion
    language: Language | None
    now_us: int
    folder: Location
    scoring: str


@dataclass(frozen=True, slots=True)
class BucketScored:
    """Outcome of a bucket, with the peak memory of its process in MiB."""

    bucket: int
    counts: Counts
    peak_memory_mib: float


def score_bucket(task: BucketTask, spread: Spread = map) -> BucketScored:
    """Read, score and write the clients of a bucket.

    Args:
        task: what to do.
        spread: where parts of the bucket are computed.

    Raises:
        CreditError: names the bucket; StepError for what is not ours.
    """
    try:
        bundle = loaded(task.bundle.get())
        rows = read_bucket(task.bucket, task.now_us)
        batch = BatchScorer(bundle, spread).score(rows.views, rows.client_ids.size, task.language)
        counts = _counts(batch)
        table = table_of(bundle, rows, batch, task.model, task.language)
        write_bucket(task.folder, task.bucket.number, table, Label(scoring=task.scoring, counts=counts))
    except Exception as error:
        named = name_bucket(f"bucket {task.bucket.number}", error)
        raise named from (None if named is error else error)
    return BucketScored(task.bucket.number, counts, peak_memory_mib())


def table_of(
    bundle: Bundle, rows: ClientRows, batch: ScoredBatch, model: ModelVersion, language: Language | None
) -> pa.Table:
    """A row per client, by ascending id; the columns are described in docs/how-to/score-the-portfolio.md."""
    size = rows.client_ids.size
    as_of = np.max([view.as_of_us for view in rows.views.values()], axis=0)
    columns = {
        "client_id": pa.array(rows.client_ids),
        "as_of": pa.array(as_of, pa.int64()).cast(_TIME),
        "probability": pa.array(batch.probability, from_pandas=True),
        "margin": pa.array(batch.margin, from_pandas=True),
        "points": pa.array(bundle.policy.points_of(batch.probability), from_pandas=True),
        "decision": pa.array(batch.decisions, pa.string()),
        "risk_band": pa.array(batch.risk_bands, pa.string()),
    }
    if batch.reasons is not None and language is not None:
        columns["reasons"] = _reasons(bundle, batch.reasons, language)
    columns["error"] = pa.array(batch.errors, pa.string())
    columns["model_version"] = pa.repeat(pa.scalar(model.version), size)
    columns["bundle_id"] = pa.repeat(pa.scalar(model.bundle), size)
    return pa.table(columns)


def _reasons(bundle: Bundle, reasons: ReasonColumns, language: Language) -> pa.Array:
    """By client the same reasons as `Bundle.reasons` gives, null for those not scored."""
    given = reasons.features >= 0
    features = reasons.features[given]
    names = bundle.contract.names
    encoded = reasons.encoded[given].tolist()
    values = [_text(bundle.value(*cell)) for cell in zip(features.tolist(), encoded, strict=True)]
    texts = [bundle.reason_texts.text(name, language) for name in names]
    places = pa.array(features)
    structs = pa.StructArray.from_arrays(
        [
            pa.array(names, pa.string()).take(places),
            pa.array(values, pa.string()),
            pa.array(reasons.contributions[given]),
            pa.array(texts, pa.string()).take(places),
        ],
        fields=list(_REASON),
    )
    counts = given.sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), structs, mask=pa.array(counts == 0))


def _text(value: float | str | None) -> str | None:
    return value if value is None or isinstance(value, str) else repr(value)


def _counts(batch: ScoredBatch) -> Counts:
    decided, errors = Counter(batch.decisions), Counter(filter(None, batch.errors))
    return Counts(
        approved=decided[Decision.APPROVED],
        refused=decided[Decision.REFUSED],
        referred=decided[Decision.REFERRED],
        errors=dict(sorted(errors.items())),
    )
