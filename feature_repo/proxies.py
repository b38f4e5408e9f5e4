"""How well each feature alone tells a protected attribute, measured on a finished run of the offline store.

The measure is the AUC of one feature for one attribute, whichever way round: 0.5 tells nothing, 1 tells all. Of a
number, the better of its values and of its missingness; of a category, the attribute's rate per category, fitted on one
half of the clients and judged on the other.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from credit.errors import FeatureError
from credit.features import RATIO_INPUTS, application_ratios
from credit.metrics import auc
from credit.schemas.features import Frozen
from feature_repo.aggregates.manifest import read_manifest
from feature_repo.catalogue import Catalogue, ProtectedAttribute, View
from feature_repo.catalogue.protection import PROTECTED_COLUMNS, PROTECTED_VIEW
from feature_repo.storage import Location

#: Rows measured on: buckets are read until there are so many. At 50,000 rows an AUC is known to some 0.005.
ROWS = 50_000
#: Days that count as pension age.
_PENSION_AGE = round(60 * 365.25)
_KEYS = ["SK_ID_CURR", "as_of"]
Labels = NDArray[np.int64]
Numbers = NDArray[np.float64]


class ProxyRow(Frozen):
    """One feature: how well it tells each attribute. `allowed` are the attributes that it may tell, as declared."""

    feature: str
    view: str
    decision: bool
    allowed: tuple[ProtectedAttribute, ...]
    auc: dict[ProtectedAttribute, float]

    def strongest(self) -> tuple[float, ProtectedAttribute]:
        """The highest AUC and its attribute."""
        return max((value, attribute) for attribute, value in self.auc.items())

    def beyond(self, limit: float) -> tuple[ProtectedAttribute, ...]:
        """Attributes that a decision feature tells better than `limit` without a declaration."""
        told = tuple(attribute for attribute, value in self.auc.items() if value > limit)
        return tuple(one for one in told if one not in self.allowed) if self.decision else ()


class ProxyReport(Frozen):
    """Every feature but the protected attributes themselves, the strongest first; `shares` are the attributes'."""

    run: str
    rows: int
    shares: dict[ProtectedAttribute, float]
    features: tuple[ProxyRow, ...]


def measure_proxies(offline: Path | Location, run: str, catalogue: Catalogue) -> ProxyReport:
    """Measure every feature of a finished run of the offline store, the request-time features among them.

    Raises:
        FeatureError: the run is not finished, lacks a view, or its views hold different rows.
    """
    offline = Location.of(offline)
    manifest = read_manifest(offline, run)
    if manifest is None or not set(catalogue.names) <= set(manifest.features):
        raise FeatureError(f"run {run} is not built for every view: run `creditctl features build` or `backfill`")
    people = _read(offline, run, catalogue.view(PROTECTED_VIEW))
    labels = {name: label for name, label in _labels(people).items() if {0, 1} <= set(label.tolist())}
    if not labels:
        raise FeatureError(f"run {run} has no two groups to tell apart by any protected attribute")
    rows: list[ProxyRow] = []
    inputs: dict[str, Numbers] = {}
    for view in catalogue.views:
        table = _read(offline, run, view)
        if not table.select(_KEYS).equals(people.select(_KEYS)):
            raise FeatureError(f"run {run}: {view.name} holds other rows than {PROTECTED_VIEW}; build the run again")
        rows += _view_rows(view, table, labels)
        inputs |= {name: _floats(table[name]) for name in RATIO_INPUTS if name in table.column_names}
    rows += _ratio_rows(inputs, labels)
    shares = {name: round(float(label[label >= 0].mean()), 4) for name, label in labels.items()}
    rows.sort(key=lambda row: row.strongest(), reverse=True)
    return ProxyReport(run=run, rows=people.num_rows, shares=shares, features=tuple(rows))


def _read(offline: Location, run: str, view: View) -> pa.Table:
    """The first buckets of a view, until ROWS are read."""
    parts: list[pa.Table] = []
    for file in (offline / view.name / run).files():
        if sum(part.num_rows for part in parts) < ROWS:
            parts.append(file.read_table(columns=[*_KEYS, *(feature.name for feature in view.features)]))
    if not parts:
        raise FeatureError(f"run {run} holds nothing of {view.name}: build it again")
    return pa.concat_tables(parts)


def _labels(people: pa.Table) -> dict[ProtectedAttribute, Labels]:
    """Each attribute as 0 or 1 per row, -1 where it is not known."""
    families = pc.index_in(people["name_family_status"], pa.array(["Married", "Civil marriage"]))
    return {
        "gender": _label(pc.equal(people["code_gender"], "M"), pc.is_in(people["code_gender"], pa.array(["F", "M"]))),
        "age": _label(pc.less_equal(people["days_birth"], -_PENSION_AGE), pc.is_valid(people["days_birth"])),
        "family_status": _label(
            pc.is_valid(families),
            pc.invert(pc.is_in(people["name_family_status"], pa.array(["Unknown", "UNKNOWN", None], pa.string()))),
        ),
        "children": _label(pc.greater(people["cnt_children"], 0), pc.is_valid(people["cnt_children"])),
    }


def _label(holds: pa.ChunkedArray, known: pa.ChunkedArray) -> Labels:
    told: Labels = pc.if_else(known, pc.fill_null(holds, False).cast(pa.int64()), -1).to_numpy()
    return told


def _view_rows(view: View, table: pa.Table, labels: Mapping[ProtectedAttribute, Labels]) -> Iterator[ProxyRow]:
    for feature in view.features:
        if {source.partition(".")[2] for source in feature.sources} & PROTECTED_COLUMNS:
            continue
        column = table[feature.name]
        tell = _category_tell(column) if feature.type == "string" else _number_tell(_floats(column))
        told = {name: round(tell(label), 4) for name, label in labels.items()}
        yield ProxyRow(
            feature=feature.name,
            view=view.name,
            decision=not feature.protected,
            allowed=feature.proxy_for,
            auc=told,
        )


def _ratio_rows(inputs: Mapping[str, Numbers], labels: Mapping[ProtectedAttribute, Labels]) -> Iterator[ProxyRow]:
    """The request-time features of rows without any override; an input that no view holds is null."""
    absent = np.full(next(iter(labels.values())).size, np.nan)
    inputs = {name: inputs.get(name, absent) for name in RATIO_INPUTS}
    for name, values in application_ratios(inputs).items():
        told = {attribute: round(_number_tell(values)(label), 4) for attribute, label in labels.items()}
        yield ProxyRow(feature=name, view="application_ratios", decision=True, allowed=(), auc=told)


def _floats(column: pa.ChunkedArray) -> Numbers:
    values: Numbers = column.cast(pa.float64()).to_numpy()
    return values


def _number_tell(values: Numbers) -> Callable[[Labels], float]:
    missing = np.isnan(values)

    def tell(label: Labels) -> float:
        known = label >= 0
        present = known & ~missing
        by_value = _auc(label[present], values[present])
        return max(by_value, _auc(label[known], missing[known].astype(np.float64)))

    return tell


def _category_tell(column: pa.ChunkedArray) -> Callable[[Labels], float]:
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    codes, size = encoded.indices.to_numpy(), len(encoded.dictionary)
    fitted = np.arange(codes.size) % 2 == 0

    def tell(label: Labels) -> float:
        first, second = fitted & (label >= 0), ~fitted & (label >= 0)
        counts = np.bincount(codes[first], minlength=size)
        hits = np.bincount(codes[first], weights=label[first], minlength=size)
        share = label[first].mean() if first.any() else 0.0
        rates = np.divide(hits, counts, out=np.full(size, share), where=counts > 0)
        return _auc(label[second], rates[codes[second]])

    return tell


def _auc(label: Labels, values: Numbers) -> float:
    """AUC either way round; 0.5 where there is nothing to tell apart."""
    if label.size == 0 or label.min() == label.max() or values.min() == values.max():
        return 0.5
    value = auc(label, values)
    return max(value, 1 - value)
