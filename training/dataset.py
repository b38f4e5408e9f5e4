"""Training data: matured labels, features as of each application, and who is the same person."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit.bundle.encoding import ColumnValues
from credit.clock import LABEL_DELAY
from credit.errors import TrainingError
from credit.platform import Home
from credit.schemas.features import FeatureContract, ViewSpec
from feature_repo.ingest.events import APPLICATION, EventStore
from feature_repo.locations import event_store

#: What ingestion writes for a category outside the vocabulary; it must not become a known category.
UNKNOWN = "UNKNOWN"
_PERSON_COLUMNS = ("SK_ID_CURR", "CODE_GENDER", "DAYS_BIRTH", "DAYS_REGISTRATION", "DAYS_ID_PUBLISH")

#: Point-in-time features of a spine (SK_ID_CURR, as_of): a table with SK_ID_CURR and every feature, in spine order.
FeatureSource = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class Dataset:
    """n labelled applications, sorted by client id.

    Attributes:
        client_ids: shape (n,).
        applied_at: T0, datetime64[us] in UTC, shape (n,).
        labels: 0 or 1, shape (n,).
        persons: equal for applications of one person: the smallest client id among them, shape (n,).
        features: one column per feature, rows in the same order.
        declared: what the feature service delivers; its categories are not known yet.
        known_until: labels known at this moment, UTC.
        sample: about this many clients were taken; None for all.
    """

    client_ids: NDArray[np.int64]
    applied_at: NDArray[np.datetime64]
    labels: NDArray[np.int64]
    persons: NDArray[np.int64]
    features: pa.Table
    declared: FeatureContract
    known_until: datetime
    sample: int | None = None

    def __post_init__(self) -> None:
        if not self.labels.size:
            raise TrainingError("there is no labelled application to train on")
        rate = self.labels.mean()
        if rate in (0.0, 1.0):
            raise TrainingError(f"all {self.labels.size} labels are {int(rate)}: training needs both classes")
        if lacking := sorted(set(self.declared.names) - set(self.features.column_names)):
            raise TrainingError(
                f"the historical features lack {', '.join(lacking)}: build and backfill the features again"
            )

    def columns(self) -> Mapping[str, ColumnValues]:
        """Features by name, converted one at a time when taken."""
        return TableColumns(self.features)


class TableColumns(Mapping[str, ColumnValues]):
    """A table's columns as the model encoder takes them: strings with None, numbers as float64 with NaN."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __getitem__(self, name: str) -> ColumnValues:
        if name not in self._table.column_names:
            raise KeyError(name)
        column = self._table.column(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts: list[str | None] = column.to_pylist()
            return texts
        numbers: NDArray[np.float64] = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
        return numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_columns)


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """Which labelled applications are wanted: all of them, unless something is set.

    Attributes:
        known_until: labels known at this moment; None for the data's present.
        sample: about this many clients, the same ones every time; None for all.
        applied_from: first day of the applications, UTC; None for no limit.
        applied_until: last day of the applications, UTC; None for no limit.
    """

    known_until: datetime | None = None
    sample: int | None = None
    applied_from: date | None = None
    applied_until: date | None = None


def load_dataset(home: Home, declared: FeatureContract, source: FeatureSource, request: LabelRequest) -> Dataset:
    """Labelled applications whose label was known at a moment, with their features as of T0.

    Args:
        home: holds the event store.
        declared: what the feature service delivers.
        source: point-in-time features.
        request: which applications.

    Raises:
        TrainingError: no label has matured in the window, there is one class only, features are not built for every
            client, or the moment lies after the data's present.
        DataError: the event store is absent.
    """
    store = event_store(home)
    labelled = matured_labels(store, request)
    spine = labelled.select(["SK_ID_CURR", "t0"]).rename_columns(["SK_ID_CURR", "as_of"])
    features = source(spine)
    _check_complete(features, spine, declared.views)
    return Dataset(
        client_ids=labelled["SK_ID_CURR"].to_numpy(),
        applied_at=labelled["t0"].to_numpy().astype("datetime64[us]"),
        labels=labelled["target"].to_numpy(),
        persons=same_person(labelled),
        features=features,
        declared=declared,
        known_until=request.known_until or store.meta.as_of_now,
        sample=request.sample,
    )


def matured_labels(store: EventStore, request: LabelRequest) -> pa.Table:
    """SK_ID_CURR, t0, target and the attributes that tell persons apart, of clients with T0 + delay <= known_until.

    Raises:
        TrainingError: there is none, or labels known later than the data's present are asked for.
    """
    known_until = request.known_until or store.meta.as_of_now
    if known_until > store.meta.as_of_now:
        raise TrainingError(
            f"labels known at {known_until:%Y-%m-%d} are asked for, and the data ends at "
            f"{store.meta.as_of_now:%Y-%m-%d}: ingest the later data first"
        )
    oldest, newest = _window(request, known_until - LABEL_DELAY)
    parts = [_labelled_bucket(store, bucket, oldest, newest) for bucket in range(store.buckets)]
    labelled = pa.concat_tables(parts).sort_by("SK_ID_CURR")
    if not labelled.num_rows:
        raise TrainingError(
            f"no application from {oldest:%Y-%m-%d} to {newest:%Y-%m-%d} has a label that is older than its delay of "
            f"{LABEL_DELAY.days} days: the window is empty or too recent"
        )
    if request.sample is None or request.sample >= labelled.num_rows:
        return labelled
    chosen = np.sort(np.random.default_rng(0).choice(labelled.num_rows, size=request.sample, replace=False))
    return labelled.take(pa.array(chosen))


def same_person(applications: pa.Table) -> NDArray[np.int64]:
    """The smallest client id among applications of equal gender, birth-to-registration and birth-to-document days.

    The delivered data has one id per application, not per person; both offsets are constant for a person.
    """
    clients = applications["SK_ID_CURR"].to_numpy()
    birth = _days(applications, "DAYS_BIRTH")
    keys = np.column_stack(
        [
            birth - _days(applications, "DAYS_REGISTRATION"),
            birth - _days(applications, "DAYS_ID_PUBLISH"),
            pc.index_in(applications["CODE_GENDER"], pa.array(["F", "M"])).fill_null(-1).to_numpy(),
        ]
    )
    _, group = np.unique(keys, axis=0, return_inverse=True)
    smallest = np.full(group.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, group.ravel(), clients)
    return smallest[group.ravel()]


def draft_contract(dataset: Dataset, rows: NDArray[np.intp]) -> FeatureContract:
    """The contract of a model trained on `rows`: what the service declares, with the categories of these rows.

    Categories are in alphabetical order; others will be UNKNOWN.
    """
    texts = sorted(feature.name for feature in dataset.declared.features if feature.kind == "categorical")
    training_rows = pa.array(rows)
    categories = {name: _categories(dataset.features.column(name).take(training_rows)) for name in texts}
    return dataset.declared.model_copy(update={"categories": categories})


def fingerprint(dataset: Dataset, matrix: NDArray[np.float64]) -> str:
    """sha256 over ids, times, labels and the encoded features: what a model was trained and tested on."""
    digest = hashlib.sha256()
    for values in (dataset.client_ids, dataset.applied_at, dataset.labels, matrix):
        digest.update(np.ascontiguousarray(values).view(np.uint8).data)
    return digest.hexdigest()


def moment(value: np.datetime64) -> datetime:
    """A UTC datetime of a datetime64."""
    converted = value.astype("datetime64[us]").item()
    assert isinstance(converted, datetime)
    return converted.replace(tzinfo=UTC)


def _window(request: LabelRequest, newest: datetime) -> tuple[datetime, datetime]:
    """First and last moment of the applications wanted."""
    oldest = datetime.combine(request.applied_from or date(1970, 1, 1), time.min, UTC)
    if request.applied_until is not None:
        newest = min(newest, datetime.combine(request.applied_until, time.max, UTC))
    return oldest, newest


def _labelled_bucket(store: EventStore, bucket: int, oldest: datetime, newest: datetime) -> pa.Table:
    clients = store.clients(bucket).select(["SK_ID_CURR", "t0", "target"])
    inside = pc.and_(
        pc.less_equal(clients["t0"], pa.scalar(newest)), pc.greater_equal(clients["t0"], pa.scalar(oldest))
    )
    matured = pc.and_(pc.is_valid(clients["target"]), inside)
    persons = store.path(APPLICATION, bucket).read_table(list(_PERSON_COLUMNS))
    return clients.filter(matured).join(persons, "SK_ID_CURR", join_type="inner")


def _check_complete(features: pa.Table, spine: pa.Table, views: tuple[ViewSpec, ...]) -> None:
    """A client whose features were not built is an error, not a row of nulls."""
    if not features["SK_ID_CURR"].equals(spine["SK_ID_CURR"]):
        raise TrainingError(f"{features.num_rows} rows of historical features do not match {spine.num_rows} labels")
    names = [column.name for view in views for column in view.columns if column.name in features.column_names]
    absent = np.ones(spine.num_rows, dtype=bool)
    for name in names:
        absent &= pc.is_null(features[name]).to_numpy()
        if not absent.any():
            return
    raise TrainingError(
        f"no feature is built for {absent.sum():,} of {spine.num_rows:,} labelled clients at their application: "
        "run `creditctl features backfill --spine training`"
    )


def _categories(column: pa.ChunkedArray) -> tuple[str, ...]:
    values = {value for value in pc.unique(column).to_pylist() if value is not None}
    return tuple(sorted(values - {UNKNOWN}))


def _days(table: pa.Table, name: str) -> NDArray[np.int64]:
    days: NDArray[np.int64] = pc.fill_null(table[name].cast(pa.int64()), 1).to_numpy()
    return days
