"""Packed rows: what goes in comes out, and what was altered does not."""

import math
from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_rows import AS_OF, BUILT, CLIENT, pack, spec_of_types

from credit.errors import CodecError, FeatureError
from credit.schemas.features import ValueType, ViewColumn, ViewSpec, ViewStatus
from feature_repo.online.codec import Rows, Value, decode_batch, decode_row, encode_rows
from feature_repo.online.joined import JoinedLayout
from feature_repo.online.layout import CRC_BYTES, RESIDUE, layout_of

TYPES: tuple[ValueType, ...] = ("float32", "float64", "int32", "int64", "bool", "string", "unix_timestamp")

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "string": st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
    "unix_timestamp": st.integers(-(2**40), 2**40),
}


@st.composite
def tables(draw: st.DrawFn, max_rows: int = 4) -> tuple[ViewSpec, list[tuple[Value, ...]]]:
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=20))
    row = st.tuples(*(st.none() | _VALUES[kind] for kind in types))
    return spec_of_types(types), draw(st.lists(row, min_size=1, max_size=max_rows))


def same(left: Value, right: Value) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return type(left) is type(right) and left == right


@given(tables())
def test_a_row_comes_back_with_its_types_nulls_and_times(table: tuple[ViewSpec, list[tuple[Value, ...]]]) -> None:
    spec, rows = table
    for index, (row, raw) in enumerate(zip(rows, pack(spec, rows), strict=True)):
        back = decode_row(layout_of(spec), CLIENT + index, raw)
        assert back is not None
        assert (back.as_of_us, back.built_us) == (AS_OF, BUILT)
        assert list(back.values) == [column.name for column in spec.columns]
        assert all(same(value, expected) for value, expected in zip(back.values.values(), row, strict=True))


@given(tables(), st.sets(st.integers(0, 3)))
def test_a_batch_says_what_single_rows_say(table: tuple[ViewSpec, list[tuple[Value, ...]]], absent: set[int]) -> None:
    spec, rows = table
    layout, clients = layout_of(spec), range(CLIENT, CLIENT + len(rows))
    raws = [None if index in absent else raw for index, raw in enumerate(pack(spec, rows))]
    batch = decode_batch(layout, clients, raws, BUILT)
    assert batch.numeric.shape == (len(rows), len(spec.numeric))
    for index, raw in enumerate(raws):
        row = None if raw is None else decode_row(layout, clients[index], raw)
        assert batch.status[index] is (ViewStatus.NOT_FOUND if row is None else ViewStatus.PRESENT)
        assert batch.as_of_us[index] == (row.as_of_us if row else 0)
        assert batch.built_us[index] == (row.built_us if row else 0)
        assert batch.strings[index] == tuple(row.values[name] if row else None for name in spec.strings)
        expected = [math.nan if row is None or row.values[name] is None else row.values[name] for name in spec.numeric]
        np.testing.assert_array_equal(batch.numeric[index], np.array(expected, dtype=np.float64))


@given(tables(max_rows=1), st.data())
def test_one_altered_byte_is_never_a_value(
    table: tuple[ViewSpec, list[tuple[Value, ...]]], data: st.DataObject
) -> None:
    spec, rows = table
    (raw,) = pack(spec, rows)
    position = data.draw(st.integers(0, len(raw) - 1))
    altered = bytearray(raw)
    altered[position] ^= data.draw(st.integers(1, 255))
    assert_refused(spec, bytes(altered))


@given(tables(max_rows=1), st.data())
def test_truncated_or_extended_bytes_are_never_a_value(
    table: tuple[ViewSpec, list[tuple[Value, ...]]], data: st.DataObject
) -> None:
    spec, rows = table
    (raw,) = pack(spec, rows)
    assert_refused(spec, raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert_refused(spec, raw + data.draw(st.binary(min_size=1, max_size=8)))


def assert_refused(spec: ViewSpec, raw: bytes) -> None:
    with pytest.raises(CodecError, match=f"client {CLIENT}, view view: "):
        decode_row(layout_of(spec), CLIENT, raw)
    with pytest.raises(CodecError, match=f"client {CLIENT}, view view: "):
        decode_batch(layout_of(spec), [CLIENT], [raw], BUILT)


def test_no_bytes_are_refused_even_where_they_fit_the_checksum() -> None:
    with pytest.raises(CodecError):
        decode_batch(layout_of(spec_of_types(["int32"])), [RESIDUE], [b""], BUILT)


def test_a_row_of_another_client_is_refused() -> None:
    spec = spec_of_types(["float32"])
    (raw,) = pack(spec, [(1.0,)])
    with pytest.raises(CodecError, match=f"client {CLIENT + 1}"):
        decode_batch(layout_of(spec), [CLIENT + 1], [raw], BUILT)


@pytest.mark.parametrize(
    "other",
    [
        spec_of_types(["float32", "string", "int32"]),
        spec_of_types(["float32", "int32", "string"]),
        ViewSpec(name="view", columns=(ViewColumn(name="other", type="float32"),), ttl_seconds=60),
    ],
)
def test_a_row_of_another_schema_is_a_mismatch(other: ViewSpec) -> None:
    (raw,) = pack(spec_of_types(["float32", "string"]), [(1.0, "a")])
    assert decode_row(layout_of(other), CLIENT, raw) is None
    batch = decode_batch(layout_of(other), [CLIENT], [raw], BUILT)
    assert batch.status == (ViewStatus.SCHEMA_MISMATCH,)
    assert np.isnan(batch.numeric).all()
    assert batch.strings == ((None,) * len(other.strings),)


def test_a_row_is_stale_when_its_build_is_older_than_the_limit() -> None:
    spec = spec_of_types(["int32"], ttl_seconds=10)
    (raw,) = pack(spec, [(7,)])
    moments = {BUILT: ViewStatus.PRESENT, BUILT + 10_000_000: ViewStatus.PRESENT, BUILT + 10_000_001: ViewStatus.STALE}
    for now_us, expected in moments.items():
        batch = decode_batch(layout_of(spec), [CLIENT], [raw], now_us)
        assert batch.status == (expected,)
        assert batch.numeric[0, 0] == 7


def test_statuses_mix_in_request_order() -> None:
    spec, other = spec_of_types(["int32", "string"], ttl_seconds=10), spec_of_types(["int64"])
    fresh = pack(spec, [(1, "a")], [1], built=BUILT)[0]
    stale = pack(spec, [(2, None)], [2], built=BUILT - 10_000_001)[0]
    mismatch = pack(other, [(3,)], [3])[0]
    batch = decode_batch(layout_of(spec), [3, 2, 9, 1], [mismatch, stale, None, fresh], BUILT)
    assert batch.status == (
        ViewStatus.SCHEMA_MISMATCH,
        ViewStatus.STALE,
        ViewStatus.NOT_FOUND,
        ViewStatus.PRESENT,
    )
    np.testing.assert_array_equal(batch.numeric[:, 0], [math.nan, 2, math.nan, 1])
    assert batch.strings == ((None,), (None,), (None,), ("a",))


def test_no_clients_give_an_empty_batch() -> None:
    batch = decode_batch(layout_of(spec_of_types(["int32", "string"])), [], [], BUILT)
    assert (batch.status, batch.numeric.shape, batch.strings) == ((), (0, 1), ())


def test_values_of_another_type_are_refused() -> None:
    rows = Rows(np.array([1]), np.array([AS_OF]), np.array([BUILT]), {"f0": np.array([1.5])})
    with pytest.raises(FeatureError, match="view view, f0: values are float64, the view says float32"):
        encode_rows(layout_of(spec_of_types(["float32"])), rows)


def test_a_string_with_the_separator_is_refused() -> None:
    with pytest.raises(FeatureError, match="U\\+0000"):
        pack(spec_of_types(["string", "string"]), [("a\x00b", "c")])


def sealed(body: bytes, client_id: int = CLIENT) -> bytes:
    """A row whose checksum fits, whatever it holds."""
    return body + crc32(body, client_id & 0xFFFFFFFF).to_bytes(CRC_BYTES, "little")


@pytest.mark.parametrize("types", [["int32"], ["float64", "string"], ["string", "bool", "string"]], ids=str)
@pytest.mark.parametrize(
    ("forged", "cause"),
    [
        (lambda body, width: b"", "checksum"),
        (lambda body, width: body[:30], "checksum"),
        (lambda body, width: body[:33], "bytes before"),
        (lambda body, width: body[: width - 1], "bytes before"),
        (lambda body, width: body + b"\0", "bytes before|strings"),
        (lambda body, width: body + b"\xff", "bytes before|UTF-8"),
    ],
    ids=["nothing", "no header", "header", "too narrow", "one string more", "no UTF-8"],
)
def test_a_row_of_impossible_shape_is_never_a_value_though_its_checksum_fits(
    types: list[ValueType], forged: Callable[[bytes, int], bytes], cause: str
) -> None:
    layout = layout_of(spec_of_types(types))
    values: dict[ValueType, Value] = {"int32": 7, "float64": 0.5, "string": "é", "bool": True}
    (raw,) = pack(layout.spec, [[values[kind] for kind in types]])
    assert sealed(raw[:-CRC_BYTES]) == raw
    broken = sealed(forged(raw[:-CRC_BYTES], layout.width))
    assert JoinedLayout([layout]).decode([CLIENT], [[broken]], BUILT) is None
    for decode in (
        lambda: decode_row(layout, CLIENT, broken),
        lambda: decode_batch(layout, [1, CLIENT], [None, broken], BUILT),
    ):
        with pytest.raises(CodecError, match=f"client {CLIENT}, view view: .*({cause})"):
            decode()


def test_a_fitting_checksum_of_nothing_is_no_row() -> None:
    """The checksum of no bytes is the client id itself, which for one client is what an intact row gives."""
    layout = layout_of(spec_of_types(["int32"]))
    with pytest.raises(CodecError):
        decode_row(layout, RESIDUE, b"")
    assert JoinedLayout([layout]).decode([RESIDUE], [[b""]], BUILT) is None
