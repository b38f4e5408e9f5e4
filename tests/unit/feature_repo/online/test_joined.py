"""Several views read together: what one view read alone says, or no answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed_rows import BUILT, CLIENT, pack, random_value, spec_of_types

from credit.schemas.features import ValueType, ViewSpec
from feature_repo.online.codec import Value, decode_batch
from feature_repo.online.joined import JoinedLayout
from feature_repo.online.layout import BLOCK_TYPES, CRC_BYTES, layout_of

TYPES: tuple[ValueType, ...] = (*BLOCK_TYPES, "string")
LIMIT = 10_000_000


@st.composite
def stored_views(draw: st.DrawFn) -> tuple[list[ViewSpec], list[list[bytes]]]:
    """Views of random types, and per client one row of each; some builds are older than the limit."""
    kinds = draw(st.lists(st.lists(st.sampled_from(TYPES), min_size=1, max_size=40), min_size=1, max_size=5))
    specs = [spec_of_types(types, 10, f"view{at}") for at, types in enumerate(kinds)]
    seed, size = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    absent = draw(st.sampled_from((0.0, 0.3, 1.0)))
    columns = [_packed(rng, spec, size, absent, draw(st.booleans())) for spec in specs]
    return specs, [list(rows) for rows in zip(*columns, strict=True)]


def _packed(rng: np.random.Generator, spec: ViewSpec, size: int, absent: float, stale: bool) -> list[bytes]:
    rows: list[tuple[Value, ...]] = [
        tuple(None if rng.random() < absent else random_value(rng, column.type) for column in spec.columns)
        for _ in range(size)
    ]
    return pack(spec, rows, built=BUILT - (LIMIT + 1 if stale else 0))


@given(stored_views())
def test_together_is_the_same_as_one_view_after_the_other(views: tuple[list[ViewSpec], list[list[bytes]]]) -> None:
    specs, raws = views
    clients = range(CLIENT, CLIENT + len(raws))
    layouts = [layout_of(spec) for spec in specs]
    batches = JoinedLayout(layouts).decode(clients, raws, BUILT)
    assert batches is not None
    assert [*batches] == [spec.name for spec in specs]
    for at, layout in enumerate(layouts):
        alone = decode_batch(layout, clients, [row[at] for row in raws], BUILT)
        batch = batches[layout.spec.name]
        assert (batch.spec, batch.status, batch.strings) == (alone.spec, alone.status, alone.strings)
        for ours, theirs in (
            (batch.numeric, alone.numeric),
            (batch.as_of_us, alone.as_of_us),
            (batch.built_us, alone.built_us),
        ):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            np.testing.assert_array_equal(ours, theirs)


@given(stored_views(), st.data())
def test_a_row_that_is_not_whole_gives_no_answer(
    views: tuple[list[ViewSpec], list[list[bytes]]], data: st.DataObject
) -> None:
    specs, raws = views
    clients = range(CLIENT, CLIENT + len(raws))
    client, view = data.draw(st.integers(0, len(raws) - 1)), data.draw(st.integers(0, len(specs) - 1))
    raw = raws[client][view]
    flipped = bytearray(raw)
    flipped[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    shorter = raw[: data.draw(st.integers(0, len(raw) - 1))]
    broken: list[list[bytes | None]] = [[*row] for row in raws]
    broken[client][view] = data.draw(st.sampled_from((None, shorter, bytes(flipped), raw + b"\0")))
    assert JoinedLayout([layout_of(spec) for spec in specs]).decode(clients, broken, BUILT) is None


def test_rows_of_another_client_view_or_schema_give_no_answer() -> None:
    first, second = (spec_of_types(["float32", "string"], name=name) for name in ("first", "second"))
    other = spec_of_types(["float32", "float32"], name="first")
    (raw,), (foreign,) = pack(first, [(1.0, "a")]), pack(first, [(1.0, "a")], [CLIENT + 1])
    (mismatch,) = pack(other, [(1.0, 2.0)])
    joined = JoinedLayout([layout_of(first), layout_of(second)])
    (right,) = pack(second, [(1.0, "a")])
    assert joined.decode([CLIENT], [[raw, right]], BUILT) is not None
    assert joined.decode([CLIENT], [[raw, raw]], BUILT) is None
    assert joined.decode([CLIENT], [[raw, foreign]], BUILT) is None
    assert joined.decode([CLIENT], [[raw, mismatch]], BUILT) is None


@pytest.mark.parametrize("tail", [b"a", b"a\x00b\x00c", b"\xff\x00b"], ids=["too few", "too many", "no UTF-8"])
def test_strings_that_no_writer_makes_give_no_answer(tail: bytes) -> None:
    from zlib import crc32

    layout = layout_of(spec_of_types(["int32", "string", "string"]))
    (raw,) = pack(layout.spec, [(1, "a", "b")])
    body = raw[: layout.width] + tail
    sealed = body + crc32(body, CLIENT).to_bytes(CRC_BYTES, "little")
    assert JoinedLayout([layout]).decode([CLIENT], [[raw]], BUILT) is not None
    assert JoinedLayout([layout]).decode([CLIENT], [[sealed]], BUILT) is None


def test_nobody_gives_no_answer() -> None:
    assert JoinedLayout([layout_of(spec_of_types(["int32"]))]).decode([], [], BUILT) is None
    assert JoinedLayout([]).decode([CLIENT], [[]], BUILT) is None
