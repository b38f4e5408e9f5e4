"""Rows without values: they take a new model through its whole path before a request does."""

from collections.abc import Sequence

import numpy as np

from credit.schemas.features import ViewBatch, ViewSpec, ViewStatus


def empty_rows(views: Sequence[ViewSpec]) -> dict[str, ViewBatch]:
    """One present row of nulls per view."""
    return {view.name: _empty_row(view) for view in views}


def _empty_row(view: ViewSpec) -> ViewBatch:
    return ViewBatch(
        spec=view,
        status=(ViewStatus.PRESENT,),
        as_of_us=np.zeros(1, dtype=np.int64),
        built_us=np.zeros(1, dtype=np.int64),
        numeric=np.full((1, len(view.numeric)), np.nan),
        strings=((None,) * len(view.strings),),
    )
