"""Stored rows mutated at random: an error that names client and view, or exactly what was written. Never else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
import pytest
import redis
from packed_rows import BUILT, pack, random_value, spec_of_types
from redis_servers import redis_server

from credit.errors import CodecError
from credit.schemas.features import ValueType, ViewBatch, ViewSpec, ViewStatus
from feature_repo.online.codec import StoredRow, decode_batch, decode_row
from feature_repo.online.connection import RedisSettings
from feature_repo.online.joined import JoinedLayout
from feature_repo.online.keys import client_key
from feature_repo.online.layout import BLOCK_TYPES, Layout, layout_of
from feature_repo.online.reader import PackedReader

pytestmark = pytest.mark.slow

MUTATIONS = 200_000
CLIENTS = range(100_001, 100_041)
TYPES: tuple[ValueType, ...] = (*BLOCK_TYPES, "string")


class Stock:
    """Rows of some views, random in types, values and nulls; two versions of each row."""

    def __init__(self, draw: np.random.Generator, views: int = 8) -> None:
        self.draw = draw
        self.layouts = [layout_of(self._spec(at)) for at in range(views)]
        self.rows = [self._rows(layout) for layout in self.layouts]

    def _spec(self, at: int) -> ViewSpec:
        types = [TYPES[kind] for kind in self.draw.integers(0, len(TYPES), self.draw.integers(1, 30))]
        return spec_of_types(types, name=f"view{at}")

    def _rows(self, layout: Layout) -> list[list[bytes]]:
        def table() -> list[bytes]:
            columns = layout.spec.columns
            rows = [
                [None if self.draw.random() < 0.2 else random_value(self.draw, column.type) for column in columns]
                for _ in CLIENTS
            ]
            return pack(layout.spec, rows, CLIENTS)

        return [[*versions] for versions in zip(table(), table(), strict=True)]

    def any_row(self) -> bytes:
        """A row of any view, client and version."""
        rows = self.rows[self.draw.integers(len(self.rows))][self.draw.integers(len(CLIENTS))]
        return rows[self.draw.integers(2)]

    def mutated(self, raw: bytes, other: bytes) -> tuple[str, bytes]:
        """A kind of mutation, and what it makes of `raw`; `other` is another version of the same row."""
        kind = _KINDS[self.draw.integers(len(_KINDS))]
        at, size = int(self.draw.integers(len(raw))), int(self.draw.integers(1, 40))
        made = {
            "flipped": lambda: self._flipped(raw),
            "cut at the end": lambda: raw[:at],
            "cut at the start": lambda: raw[at + 1 :],
            "extended": lambda: raw + self.draw.bytes(size),
            "spliced versions": lambda: raw[:at] + other[at:],
            "spliced rows": lambda: raw[:at] + self.any_row()[at:],
            "exchanged": self.any_row,
            "lost bytes": lambda: raw[:at] + raw[at + size :],
            "added bytes": lambda: raw[:at] + self.draw.bytes(size) + raw[at:],
            "blanked": lambda: (raw[:at] + bytes(size) + raw[at + size :])[: len(raw)],
            "noise": lambda: self.draw.bytes(2 * at),
        }
        return kind, made[kind]()

    def _flipped(self, raw: bytes) -> bytes:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8))
        bits[self.draw.integers(0, len(bits), self.draw.integers(1, 9))] ^= 1
        return np.packbits(bits).tobytes()


_KINDS = (
    "flipped",
    "cut at the end",
    "cut at the start",
    "extended",
    "spliced versions",
    "spliced rows",
    "exchanged",
    "lost bytes",
    "added bytes",
    "blanked",
    "noise",
)


def test_two_hundred_thousand_mutations_are_errors_or_exact() -> None:
    stock, seen = Stock(np.random.default_rng(20260101)), Counter[str]()
    for _ in range(MUTATIONS):
        view, client = stock.draw.integers(len(stock.layouts)), stock.draw.integers(len(CLIENTS))
        layout, versions, client_id = stock.layouts[view], stock.rows[view][client], CLIENTS[client]
        kind, raw = stock.mutated(*versions)
        outcome = verdict(layout, client_id, raw, versions)
        assert outcome, f"{kind}: client {client_id}, view {layout.spec.name}: {raw.hex()}"
        seen[outcome] += 1
    assert seen["refused"] > 0.9 * MUTATIONS
    assert seen["exact"] > 0
    assert seen["of another schema"] > 0


def verdict(layout: Layout, client_id: int, raw: bytes, versions: Sequence[bytes]) -> str:
    """What all ways to read a row say of it; empty when one of them reads a value that was never written."""
    together = JoinedLayout([layout]).decode([client_id], [[raw]], BUILT)
    try:
        row, batch = decode_row(layout, client_id, raw), decode_batch(layout, [client_id], [raw], BUILT)
    except CodecError as error:
        named = f"client {client_id}, view {layout.spec.name}:" in str(error)
        return "refused" if named and together is None else ""
    if row is None:
        mismatch = batch.status == (ViewStatus.SCHEMA_MISMATCH,) and together is None
        return "of another schema" if mismatch else ""
    written = raw in versions and together is not None
    return "exact" if written and same(row, batch) and same(row, together[layout.spec.name]) else ""


def same(row: StoredRow, batch: ViewBatch) -> bool:
    numbers = [np.nan if row.values[name] is None else row.values[name] for name in batch.spec.numeric]
    strings = tuple(row.values[name] for name in batch.spec.strings)
    return batch.strings == (strings,) and np.array_equal(
        batch.numeric[0], np.array(numbers, dtype=np.float64), equal_nan=True
    )


def test_rows_of_every_other_client_view_and_schema_are_told_apart() -> None:
    """All pairs: no row passes for another's."""
    stock = Stock(np.random.default_rng(7), views=5)
    for layout in stock.layouts:
        for rows, owner in zip(stock.rows, stock.layouts, strict=True):
            for versions, client_id in zip(rows, CLIENTS, strict=True):
                for asked in CLIENTS:
                    outcome = verdict(layout, asked, versions[0], versions)
                    mine = asked == client_id
                    expected = ("exact" if owner is layout else "of another schema") if mine else "refused"
                    assert outcome == expected


def test_resealed_mutations_never_fail_otherwise_than_typed() -> None:
    """A checksum that fits what nobody wrote: the shape is checked all the same."""
    stock = Stock(np.random.default_rng(11))
    for _ in range(MUTATIONS // 10):
        view, client = stock.draw.integers(len(stock.layouts)), stock.draw.integers(len(CLIENTS))
        layout, client_id = stock.layouts[view], CLIENTS[client]
        _, body = stock.mutated(*(raw[:-4] for raw in stock.rows[view][client]))
        raw = resealed(body, client_id)
        with np.errstate(invalid="ignore"):  # a float32 may be a signalling NaN
            together = JoinedLayout([layout]).decode([client_id], [[raw]], BUILT)
        named = True
        try:
            row = decode_row(layout, client_id, raw)
        except CodecError as error:
            row, named = None, f"client {client_id}, view {layout.spec.name}:" in str(error)
        assert named
        assert (row is None) == (together is None)


def resealed(body: bytes, client_id: int) -> bytes:
    return body + crc32(body, client_id).to_bytes(4, "little")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


def test_through_redis_one_broken_row_refuses_its_request_and_no_other(url: str) -> None:
    stock = Stock(np.random.default_rng(13))
    settings = RedisSettings(url=url, read_timeout=5)
    reader = PackedReader(settings, "fuzz", [layout.spec for layout in stock.layouts], now_us=lambda: BUILT)
    with redis.Redis.from_url(url) as client:

        def put(view: int, at: int, raw: bytes) -> None:
            client.hset(client_key("fuzz", CLIENTS[at]).decode(), stock.layouts[view].field.decode(), raw)

        for view, rows in enumerate(stock.rows):
            for at, versions in enumerate(rows):
                put(view, at, versions[0])
        whole = reader.read(CLIENTS)
        for _ in range(500):
            view, at = int(stock.draw.integers(len(stock.layouts))), int(stock.draw.integers(len(CLIENTS)))
            layout, client_id, versions = stock.layouts[view], CLIENTS[at], stock.rows[view][at]
            _, raw = stock.mutated(*versions)
            if verdict(layout, client_id, raw, versions) != "refused":
                continue
            put(view, at, raw)
            for asked in ([client_id], CLIENTS):
                with pytest.raises(CodecError, match=f"client {client_id}, view {layout.spec.name}:"):
                    reader.read(asked)
            others = reader.read([one for one in CLIENTS if one != client_id])[layout.spec.name]
            np.testing.assert_array_equal(others.numeric, np.delete(whole[layout.spec.name].numeric, at, axis=0))
            put(view, at, versions[0])
