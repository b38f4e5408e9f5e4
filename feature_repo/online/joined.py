"""Reads the rows of several views together: what serving asks for, in few calls whatever the number of views.

`codec` reads one view at a time and says what is wrong with a row. Here every row must be there, intact and of the
schema asked for; otherwise there is no answer and the caller turns to `codec`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from credit.schemas.features import ValueType, ViewBatch, ViewStatus
from feature_repo.online.layout import BLOCK_TYPES, CRC_BYTES, RESIDUE, SEPARATOR, WORD_BYTES, Layout

_SEED_MASK: Final = 0xFFFFFFFF
_TEXT_SEPARATOR: Final = SEPARATOR.decode()
#: Kinds of less than a word are read byte by byte, with the null bitmaps.
_WORD_KINDS: Final = tuple(kind for kind in BLOCK_TYPES if kind != "bool")

Positions = NDArray[np.intp]
Raws = Sequence[Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class _Values:
    """Values of one kind: their part of the gathered words, and their columns in the matrix of all views."""

    part: slice
    dtype: str
    columns: Positions


class JoinedLayout:
    """Where the values of several views lie when the fixed parts of their rows stand one after the other.

    The fixed parts are read as 32-bit words. One gather brings words of equal kind together, so that each kind is
    converted in one step for all views and clients.
    """

    def __init__(self, layouts: Sequence[Layout]) -> None:
        self._layouts = tuple(layouts)
        self._widths = tuple(layout.width for layout in layouts)
        self._sealed = sum(self._widths) + CRC_BYTES * len(self._widths)
        self._starts = [0, *accumulate(self._widths)][:-1]
        self._identities = b"".join([layout.identity for layout in layouts])
        self._ttl_us = np.array([layout.spec.ttl_seconds * 1_000_000 for layout in layouts], dtype=np.int64)
        self._ends = [0, *accumulate(len(layout.spec.numeric) for layout in layouts)]
        self._text_views = [at for at, layout in enumerate(layouts) if layout.spec.strings]
        self._separators = [len(layouts[at].spec.strings) - 1 for at in self._text_views]
        self._text_ends = [0, *accumulate(len(layout.spec.strings) for layout in layouts)]
        parts = zip(self._layouts, pairwise(self._ends), pairwise(self._text_ends), strict=True)
        self._views = [(layout.spec, slice(*numbers), slice(*strings)) for layout, numbers, strings in parts]
        self._lay_out_words()
        self._lay_out_bytes()

    def decode(
        self, client_ids: Sequence[int], raws: Sequence[Sequence[bytes | None]], now_us: int
    ) -> dict[str, ViewBatch] | None:
        """One batch per view, or None unless every client has an intact row of the right schema in every view.

        Args:
            client_ids: n clients.
            raws: n times one raw row per view, in the order of the layouts.
            now_us: compared with the time of build, microseconds since the epoch (UTC).
        """
        rows = self._intact(client_ids, raws)
        gathered = None if rows is None else self._gathered(rows)
        if rows is None or gathered is None:
            return None
        small = np.ascontiguousarray(gathered[:, self._small]).view(np.uint8)
        nulls = self._nulls(small) if any(gathered[:, self._flags].tobytes()) else None
        texts = self._texts(rows, nulls)
        if texts is None:
            return None
        return self._batches(gathered, self._numbers(gathered, small, nulls), texts, now_us)

    def _lay_out_words(self) -> None:
        words: list[int] = []
        self._identity = _appended(words, self._positions("identity"))
        self._flags = _appended(words, self._positions("flags"))
        self._times = _appended(words, self._positions("as_of_us", "built_us"))
        self._kinds = []
        for kind in _WORD_KINDS:
            part = _appended(words, self._positions(kind))
            if part.stop > part.start:
                self._kinds.append(_Values(part, BLOCK_TYPES[kind], self._columns_of(kind)))
        self._small = _appended(words, self._positions("bool", "nulls"))
        self._words: Positions = np.array(words, dtype=np.intp)

    def _lay_out_bytes(self) -> None:
        """Which of the bytes that `_small` gathers are bools and bitmaps, and which bits belong to which column."""
        sizes = [(_size(one, "bool"), _size(one, "nulls")) for one in self._layouts]
        starts = [0, *accumulate(bools + bits for bools, bits in sizes)]
        self._bools = _ranges((start, bools) for start, (bools, _) in zip(starts, sizes, strict=False))
        self._bool_columns = self._columns_of("bool")
        self._bitmaps = _ranges((start + bools, bits) for start, (bools, bits) in zip(starts, sizes, strict=False))
        first_bits = [8 * first for first in accumulate((bits for _, bits in sizes), initial=0)]
        pairs = list(zip(self._layouts, first_bits, strict=False))
        self._number_bits = _concatenated(one.numeric_columns + first for one, first in pairs)
        self._text_bits = _concatenated(one.string_columns + first for one, first in pairs)

    def _positions(self, *fields: str) -> list[int]:
        """Words that neighbouring fields of every view take, in the order of the views."""
        found: list[int] = []
        for layout, start in zip(self._layouts, self._starts, strict=True):
            parts = [_place(layout, field) for field in fields if field in (layout.dtype.names or ())]
            if parts:
                first, last = start + parts[0][0], start + sum(parts[-1])
                found += range(first // WORD_BYTES, last // WORD_BYTES)
        return found

    def _columns_of(self, kind: ValueType) -> Positions:
        columns = [
            start + position
            for layout, start in zip(self._layouts, self._ends, strict=False)
            for block in layout.blocks
            if block.type == kind
            for position in np.arange(len(layout.spec.numeric))[block.numeric].tolist()
        ]
        return np.array(columns, dtype=np.intp)

    def _intact(self, client_ids: Sequence[int], raws: Sequence[Sequence[bytes | None]]) -> Raws | None:
        flat: list[Any] = [raw for answer in raws for raw in answer]
        if not flat or None in flat:
            return None
        seeds = [client_id & _SEED_MASK for client_id in client_ids for _ in self._layouts]
        return raws if [*map(crc32, flat, seeds)] == [RESIDUE] * len(flat) else None  # type: ignore[return-value]

    def _gathered(self, rows: Raws) -> NDArray[np.uint32] | None:
        widths = self._widths
        fixed = b"".join([raw[:width] for answer in rows for raw, width in zip(answer, widths, strict=True)])
        if len(fixed) != len(rows) * sum(widths):
            return None
        words = np.frombuffer(fixed, np.uint32).reshape(len(rows), -1).take(self._words, axis=1)
        # Bytes are compared and searched faster than arrays of so few words.
        return words if words[:, self._identity].tobytes() == self._identities * len(rows) else None

    def _nulls(self, small: NDArray[np.uint8]) -> NDArray[np.bool_]:
        return np.unpackbits(small.take(self._bitmaps, axis=1), axis=1, bitorder="little").view(np.bool_)

    def _numbers(
        self, words: NDArray[np.uint32], small: NDArray[np.uint8], nulls: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        numeric = np.empty((len(words), self._ends[-1]))
        for kind in self._kinds:
            numeric[:, kind.columns] = words[:, kind.part].view(kind.dtype)
        if self._bool_columns.size:
            numeric[:, self._bool_columns] = small.take(self._bools, axis=1)
        if nulls is not None:
            np.copyto(numeric, np.nan, where=nulls.take(self._number_bits, axis=1))
        return numeric

    def _texts(self, rows: Raws, nulls: NDArray[np.bool_] | None) -> list[tuple[str | None, ...]] | None:
        """Per client the strings of all views; None when a row is longer or shorter than its view and they make it."""
        beyond = sum(map(len, chain.from_iterable(rows))) - self._sealed * len(rows)
        if not self._text_views:
            return None if beyond else [()] * len(rows)
        widths = self._widths
        tails = [answer[view][widths[view] : -CRC_BYTES] for answer in rows for view in self._text_views]
        if [tail.count(SEPARATOR) for tail in tails] != self._separators * len(rows):
            return None
        joined = SEPARATOR.join(tails)
        if len(joined) - len(tails) + 1 != beyond:
            return None
        try:
            values: list[str | None] = [*joined.decode().split(_TEXT_SEPARATOR)]
        except UnicodeDecodeError:
            return None
        if nulls is not None:
            for position in nulls.take(self._text_bits, axis=1).ravel().nonzero()[0].tolist():
                values[position] = None
        return list(zip(*[iter(values)] * self._text_ends[-1], strict=True))

    def _batches(
        self,
        words: NDArray[np.uint32],
        numeric: NDArray[np.float64],
        texts: Sequence[tuple[str | None, ...]],
        now_us: int,
    ) -> dict[str, ViewBatch]:
        times = np.ascontiguousarray(words[:, self._times]).view("<i8").reshape(len(words), -1, 2)
        fresh = times[:, :, 1] >= now_us - self._ttl_us
        all_fresh, present = 0 not in fresh.tobytes(), (ViewStatus.PRESENT,) * len(words)
        as_of_us, built_us = times[:, :, 0], times[:, :, 1]
        return {
            spec.name: ViewBatch(
                spec,
                present if all_fresh else tuple(map(_status, fresh[:, at].tolist())),
                as_of_us[:, at],
                built_us[:, at],
                numeric[:, numbers],
                tuple([text[strings] for text in texts]),
            )
            for at, (spec, numbers, strings) in enumerate(self._views)
        }


def _status(fresh: bool) -> ViewStatus:
    return ViewStatus.PRESENT if fresh else ViewStatus.STALE


def _appended(words: list[int], more: list[int]) -> slice:
    words += more
    return slice(len(words) - len(more), len(words))


def _place(layout: Layout, field: str) -> tuple[int, int]:
    """Offset and size of a field of the fixed part."""
    fields: Any = layout.dtype.fields
    return fields[field][1], fields[field][0].itemsize


def _size(layout: Layout, field: str) -> int:
    return _place(layout, field)[1] if field in (layout.dtype.names or ()) else 0


def _ranges(parts: Iterable[tuple[int, int]]) -> Positions:
    return _concatenated(np.arange(start, start + size, dtype=np.intp) for start, size in parts)


def _concatenated(parts: Iterable[Positions]) -> Positions:
    return np.concatenate([np.empty(0, dtype=np.intp), *parts])
