"""Features of a generated portfolio on every path: the historical join, Feast's SDK, serving, and a brute-force oracle.

Feast's import and one applied platform folder take seconds each, so they serve the whole module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from redis_servers import RedisProcess, redis_server

from credit.bundle.encoding import MatrixEncoder
from credit.cli import run
from credit.clock import LABEL_DELAY
from credit.errors import FeatureError, TrainingError
from credit.platform import Home
from credit.schemas.features import FeatureContract
from credit.schemas.overrides import OVERRIDABLE, Overrides, override_field
from feature_repo.ingest.events import EventStore
from feature_repo.locations import event_store
from feature_repo.online.connection import RedisSettings
from feature_repo.online.keys import PROJECT
from feature_repo.online.reader import PackedReader
from training.dataset import LabelRequest, load_dataset, matured_labels

if TYPE_CHECKING:
    from feast import FeatureStore

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ibis"),
]

SERVICE = "credit_scoring_v1"
CLIENTS = 300
FIELDS = [override_field(name) for name in OVERRIDABLE]


@dataclass(frozen=True)
class Portfolio:
    """Generated clients with features built for today, for training, and for other moments of some clients."""

    home: Home
    redis: RedisProcess
    moments: pa.Table

    def store(self) -> "FeatureStore":
        from feature_repo.store import open_store

        return open_store(self.home)

    def today(self) -> pa.Table:
        """Every client at its own present, as the online store holds it."""
        rows = pq.read_table(self.home.offline / "application" / "online", columns=["SK_ID_CURR", "as_of"])
        return rows.sort_by("SK_ID_CURR")

    def training(self) -> pa.Table:
        """The spine of the matured labels."""
        labelled = matured_labels(event_store(self.home), LabelRequest())
        return labelled.select(["SK_ID_CURR", "t0"]).rename_columns(["SK_ID_CURR", "as_of"])

    def history(self, spine: pa.Table, service: str = SERVICE) -> pa.Table:
        from feature_repo.store import historical_features

        return historical_features(self.home, spine, service)


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portfolio]:
    folder = tmp_path_factory.mktemp("portfolio")
    with redis_server(folder / "redis") as server, pytest.MonkeyPatch.context() as patch:
        home = Home(folder / "home")
        patch.setenv("CREDIT_HOME", str(home.root))
        patch.setenv("FEATURES_REDIS_URL", server.url)
        patch.setenv("FEATURES_DUCKDB_THREADS", "1")
        assert run(["data", "generate", "--clients", str(CLIENTS)]) == 0
        assert run(["data", "ingest", "--source", str(home.raw), "--buckets", "2"]) == 0
        portfolio = Portfolio(home, server, _moments(event_store(home)))
        pq.write_table(portfolio.moments, folder / "moments.parquet")
        for spine in ("training", str(folder / "moments.parquet")):
            assert run(["features", "backfill", "--spine", spine]) == 0
        for command in ("build", "apply", "materialize"):
            assert run(["features", command]) == 0
        yield portfolio


@pytest.fixture(scope="module")
def contract(portfolio: Portfolio) -> FeatureContract:
    """The service's contract with every category that was built."""
    from training.features import feature_source

    declared, source = feature_source(portfolio.home, SERVICE)
    texts = [feature.name for feature in declared.features if feature.kind == "categorical"]
    values = source(portfolio.today())
    known = {name: tuple(sorted(filter(None, pc.unique(values[name]).to_pylist()))) for name in texts}
    return declared.model_copy(update={"categories": known})


def _moments(events: EventStore) -> pa.Table:
    """Some clients long before, just before, at and after their application, none after the data's present.

    `materialize` takes the newest row of any run: a later one would be what is online.
    """
    clients = pa.concat_tables([events.clients(bucket).slice(0, 25) for bucket in range(events.buckets)])
    shifts = (timedelta(days=-200), timedelta(microseconds=-1), timedelta(), timedelta(days=7), timedelta(days=90))
    pairs = [
        (client, t0 + shift)
        for client, t0 in zip(clients["SK_ID_CURR"].to_pylist(), clients["t0"].to_pylist(), strict=True)
        for shift in shifts
        if t0 + shift < events.meta.as_of_now
    ]
    ids, moments = zip(*pairs, strict=True)
    return pa.table({"SK_ID_CURR": pa.array(ids), "as_of": pa.array(moments, pa.timestamp("us", "UTC"))})


def requests(clients: int) -> list[Overrides]:
    """A third overrides nothing, the others one to four amounts, some of them of more precision than is stored."""
    draw = np.random.default_rng(3)
    asked = [dict(zip(OVERRIDABLE, draw.lognormal(11, 2, 4).tolist(), strict=True)) for _ in range(clients)]
    chosen = [draw.permutation(4)[: max(0, draw.integers(-2, 5))] for _ in range(clients)]
    return [
        Overrides(**{OVERRIDABLE[at]: one[OVERRIDABLE[at]] for at in own})
        for one, own in zip(asked, chosen, strict=True)
    ]


def with_overrides(spine: pa.Table, overrides: list[Overrides]) -> pa.Table:
    for name in OVERRIDABLE:
        stated = pa.array([getattr(one, name) for one in overrides], pa.float64())
        spine = spine.append_column(override_field(name), stated)
    return spine


def feasts_own(portfolio: Portfolio, spine: pa.Table) -> pa.Table:
    """Feast's historical features, the on-demand view included, in spine order."""
    from feature_repo.feast_output import quiet_feast

    store = portfolio.store()
    numbered = spine.append_column("row", pa.array(range(spine.num_rows)))
    with quiet_feast():
        job = store.get_historical_features(numbered.to_pandas(), store.get_feature_service(SERVICE))
        return job.to_arrow().sort_by("row")


def bits(column: pa.ChunkedArray) -> list[Any]:
    """Values with floating point numbers as their bits, None for null."""
    whole = column.combine_chunks()
    kinds = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}
    return (whole.view(kinds[whole.type]) if whole.type in kinds else whole).to_pylist()


def assert_same(left: pa.Table, right: pa.Table, names: list[str]) -> None:
    differing = [name for name in names if bits(left[name]) != bits(right[name].cast(left[name].type))]
    assert differing == []


@pytest.mark.parametrize("overriding", [False, True])
def test_feast_online_feast_historical_our_join_and_serving_agree_bit_for_bit(
    portfolio: Portfolio, contract: FeatureContract, overriding: bool
) -> None:
    today = portfolio.today()
    clients = today["SK_ID_CURR"].to_pylist()
    overrides = requests(len(clients)) if overriding else [Overrides()] * len(clients)
    spine = with_overrides(today, overrides)
    ours = portfolio.history(spine if overriding else today)
    assert ours.column_names[2:] == list(contract.names)

    assert_same(ours, feasts_own(portfolio, spine), ours.column_names)

    rows = spine.select(["SK_ID_CURR", *FIELDS]).to_pylist()
    store = portfolio.store()
    online = store.get_online_features(store.get_feature_service(SERVICE), rows).to_dict()
    served = {name: pa.chunked_array([pa.array(online[name], ours[name].type)]) for name in contract.names}
    assert_same(ours, pa.table(served), list(contract.names))

    reader = PackedReader(RedisSettings(url=portfolio.redis.url), PROJECT, contract.views)
    encoder = MatrixEncoder(contract)
    matrix = encoder.from_views(reader.read(clients), overrides if overriding else ())
    assert matrix.tobytes() == encoder.from_columns(_columns(ours)).tobytes()
    alone = [
        encoder.from_views(reader.read([client]), [one]) for client, one in zip(clients[:40], overrides, strict=False)
    ]
    assert np.concatenate(alone).tobytes() == matrix[:40].tobytes()


def _columns(table: pa.Table) -> Any:
    from training.dataset import TableColumns

    return TableColumns(table)


def test_a_request_that_lacks_an_override_field_is_refused_by_feast(portfolio: Portfolio) -> None:
    from feast.errors import RequestDataNotFoundInEntityDfException, RequestDataNotFoundInEntityRowsException

    store, today = portfolio.store(), portfolio.today().slice(0, 2)
    service = store.get_feature_service(SERVICE)
    with pytest.raises(RequestDataNotFoundInEntityDfException, match="override_amt_credit"):
        store.get_historical_features(today.to_pandas(), service)
    rows = [{"SK_ID_CURR": client} | dict.fromkeys(FIELDS[1:]) for client in today["SK_ID_CURR"].to_pylist()]
    with pytest.raises(RequestDataNotFoundInEntityRowsException, match="override_amt_credit"):
        store.get_online_features(service, rows)


def test_every_sampled_row_equals_the_oracle(portfolio: Portfolio, contract: FeatureContract) -> None:
    from benchmarks.training_oracle import compare_training_set, compare_with_oracle

    trained = compare_training_set(portfolio.home, SERVICE, sample=8, seed=1)
    assert (trained.rows, trained.features, trained.mismatches) == (8, len(contract.names), ())
    moved = compare_with_oracle(portfolio.home, portfolio.history(portfolio.moments), sample=8, seed=2)
    assert (moved.rows, moved.mismatches) == (8, ())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_rows_equal_the_oracle(portfolio: Portfolio) -> None:
    from benchmarks.training_oracle import compare_training_set, compare_with_oracle

    assert compare_training_set(portfolio.home, SERVICE, sample=150, seed=0).mismatches == ()
    for service, sample in ((SERVICE, 100), ("fairness_v1", 200)):
        joined = portfolio.history(portfolio.moments, service)
        assert compare_with_oracle(portfolio.home, joined, sample, seed=0).mismatches == ()


def test_the_oracle_finds_one_altered_bit(portfolio: Portfolio) -> None:
    from benchmarks.training_oracle import compare_with_oracle

    joined = portfolio.history(portfolio.training().slice(0, 2))
    name = next(
        name for name in joined.column_names[2:] if joined[name].type == pa.float32() and joined[name][1].is_valid
    )
    values = joined[name].to_numpy().copy()
    values[1] = np.nextafter(values[1], np.float32(np.inf))
    altered = joined.set_column(joined.column_names.index(name), name, pa.array(values, from_pandas=True))
    (found,) = compare_with_oracle(portfolio.home, altered, sample=2, seed=0).mismatches
    assert (found.client_id, found.feature) == (joined["SK_ID_CURR"][1].as_py(), name)


def test_the_join_does_not_depend_on_its_slices_or_on_the_order_of_the_spine(
    portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo import store

    spine = with_overrides(portfolio.training(), requests(portfolio.training().num_rows))
    whole = portfolio.history(spine)
    shuffled = np.random.default_rng(0).permutation(spine.num_rows)
    monkeypatch.setattr(store, "_SPINE_ROWS", 150)
    sliced = portfolio.history(spine.take(pa.array(shuffled)))
    assert_same(whole, sliced.take(pa.array(np.argsort(shuffled))), whole.column_names)
    assert portfolio.history(spine.slice(0, 0)).schema == whole.schema


def test_spines_with_unknown_or_impossible_overrides_are_refused(portfolio: Portfolio) -> None:
    spine = portfolio.today().slice(0, 1)
    with pytest.raises(FeatureError, match="override_days_employed cannot be overridden"):
        portfolio.history(spine.append_column("override_days_employed", pa.array([1.0])))
    with pytest.raises(FeatureError, match="override of amt_annuity must lie between"):
        portfolio.history(spine.append_column("override_amt_annuity", pa.array([0.0])))


def test_a_training_set_that_was_not_built_is_refused(portfolio: Portfolio) -> None:
    from training.features import feature_source

    declared, source = feature_source(portfolio.home, SERVICE)
    labels = portfolio.training().num_rows

    with pytest.raises(TrainingError, match=f"{labels - 1} rows of historical features do not match {labels} labels"):
        load_dataset(portfolio.home, declared, lambda spine: spine.slice(1), LabelRequest())

    def too_early(spine: pa.Table) -> pa.Table:
        moved = pc.subtract(spine["as_of"], pa.scalar(timedelta(days=365 * 30)))
        return source(spine.set_column(1, "as_of", moved))

    with pytest.raises(TrainingError, match=f"{labels} of {labels} labelled clients.*backfill"):
        load_dataset(portfolio.home, declared, too_early, LabelRequest())


def test_a_window_holds_its_own_applications_only(portfolio: Portfolio) -> None:
    events = event_store(portfolio.home)
    everybody = matured_labels(events, LabelRequest())
    days = pc.cast(everybody["t0"], pa.date32()).to_pylist()
    first, last = sorted(days)[50], sorted(days)[150]
    inside = matured_labels(events, LabelRequest(applied_from=first, applied_until=last))
    assert inside.num_rows == sum(first <= day <= last for day in days)


def test_labels_are_those_known_at_the_moment_asked_for(portfolio: Portfolio) -> None:
    events = event_store(portfolio.home)
    earlier = events.meta.as_of_now - timedelta(days=400)
    known = matured_labels(events, LabelRequest(known_until=earlier))
    assert 0 < known.num_rows < matured_labels(events, LabelRequest()).num_rows
    assert pc.max(known["t0"]).as_py() <= earlier - LABEL_DELAY


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (LabelRequest(applied_from=date(2090, 1, 1)), "the window is empty"),
        (LabelRequest(applied_until=date(1990, 1, 1)), "the window is empty"),
        (LabelRequest(known_until=datetime(1990, 1, 1, tzinfo=UTC)), "too recent"),
        (LabelRequest(known_until=datetime(2090, 1, 1, tzinfo=UTC)), "ingest the later data first"),
    ],
)
def test_a_window_without_labels_is_a_clear_error(portfolio: Portfolio, request_: LabelRequest, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        matured_labels(event_store(portfolio.home), request_)
