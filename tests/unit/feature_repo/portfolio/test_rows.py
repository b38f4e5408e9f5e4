"""Rows read from files equal, bit for bit, what packing them and reading them back online gives."""

import subprocess
import sys
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast_world import BUILT, T0, TYPED, TYPED_CLIENTS, typed_rows

from credit.clock import bucket_of
from credit.schemas.features import ViewColumn, ViewSpec, ViewStatus
from feature_repo.compute.newest import RowColumns, Share
from feature_repo.online.arrow import rows_of_table
from feature_repo.online.codec import decode_batch, encode_rows
from feature_repo.online.layout import layout_of
from feature_repo.portfolio.rows import Bucket, ViewFiles, read_bucket
from feature_repo.storage import Location

SPEC = ViewSpec(name="typed", columns=tuple(ViewColumn(name=kind, type=kind) for kind in TYPED), ttl_seconds=3_600)
NOW_US = int(BUILT.timestamp() * 1_000_000)
NAMES = ("SK_ID_CURR", "as_of", "created_ts")


def files(folder, spec, *tables):
    paths = []
    for at, table in enumerate(tables):
        paths.append(folder / f"{spec.name}-{at}.parquet")
        pq.write_table(table, paths[-1])
    columns = RowColumns(*NAMES, tuple(column.name for column in spec.columns))
    return ViewFiles(spec, columns, tuple(Location.of(path) for path in paths))


def online(spec, table, clients, now_us):
    """What a reader makes of what a writer made of the table."""
    layout = layout_of(spec)
    rows = rows_of_table(spec, table, *NAMES, now_us)
    stored = dict(zip(rows.client_ids.tolist(), encode_rows(layout, rows), strict=True))
    return decode_batch(layout, clients, [stored.get(client) for client in clients], now_us)


def assert_same(left, right):
    assert left.spec == right.spec
    assert left.status == right.status
    assert left.strings == right.strings
    for name in ("as_of_us", "built_us", "numeric"):
        a, b = getattr(left, name), getattr(right, name)
        assert a.dtype == b.dtype
        assert np.array_equal(np.signbit(a), np.signbit(b))
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("late", [timedelta(), timedelta(hours=1), timedelta(hours=1, microseconds=1)])
def test_every_value_type_reads_as_it_would_online(tmp_path, late):
    now_us = NOW_US + late // timedelta(microseconds=1)
    shuffled = typed_rows().take(pa.array([3, 0, 4, 2, 1]))
    rows = read_bucket(Bucket(0, (files(tmp_path, SPEC, shuffled),)), now_us)
    assert rows.client_ids.tolist() == TYPED_CLIENTS
    batch = rows.views["typed"]
    assert set(batch.status) == {ViewStatus.STALE if late > timedelta(hours=1) else ViewStatus.PRESENT}
    assert_same(batch, online(SPEC, shuffled, TYPED_CLIENTS, now_us))


def test_clients_of_one_view_only_are_absent_in_the_other(tmp_path):
    other = SPEC.model_copy(update={"name": "other"})
    never = SPEC.model_copy(update={"name": "never"})
    first, second = typed_rows().slice(0, 3), typed_rows().slice(2)
    bucket = Bucket(0, (files(tmp_path, SPEC, first), files(tmp_path, other, second), files(tmp_path, never)))
    rows = read_bucket(bucket, NOW_US)
    assert rows.client_ids.tolist() == TYPED_CLIENTS
    assert_same(rows.views["typed"], online(SPEC, first, TYPED_CLIENTS, NOW_US))
    assert_same(rows.views["other"], online(other, second, TYPED_CLIENTS, NOW_US))
    assert_same(rows.views["never"], online(never, first.slice(0, 0), TYPED_CLIENTS, NOW_US))


def test_a_missing_time_of_build_is_now(tmp_path):
    table = typed_rows()
    table = table.set_column(2, "created_ts", pa.nulls(table.num_rows, table.schema.field("created_ts").type))
    (batch,) = read_bucket(Bucket(0, (files(tmp_path, SPEC, table),)), NOW_US).views.values()
    assert_same(batch, online(SPEC, table, TYPED_CLIENTS, NOW_US))
    assert set(batch.status) == {ViewStatus.PRESENT}


def test_a_share_leaves_other_clients_out_and_the_newest_row_wins(tmp_path):
    older = typed_rows()
    newer = older.set_column(1, "as_of", pa.array([T0 + timedelta(days=1)] * older.num_rows, older["as_of"].type))
    newer = newer.slice(1, 2)
    view = files(tmp_path, SPEC, newer, older)
    shares = [read_bucket(Bucket(at, (view,), Share(at, 3)), NOW_US) for at in range(3)]
    for at, rows in enumerate(shares):
        assert set(bucket_of(rows.client_ids, 3).tolist()) <= {at}
    ids = np.concatenate([rows.client_ids for rows in shares])
    moments = np.concatenate([rows.views["typed"].as_of_us for rows in shares])
    assert sorted(ids.tolist()) == TYPED_CLIENTS
    moved = {
        client for client, moment in zip(ids.tolist(), moments.tolist(), strict=True) if moment > T0.timestamp() * 1e6
    }
    assert moved == set(newer["SK_ID_CURR"].to_pylist())


def test_reading_a_bucket_imports_no_feast():
    code = "import sys; import feature_repo.portfolio.rows; print('feast' in sys.modules, 'pandas' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["False", "False"]
