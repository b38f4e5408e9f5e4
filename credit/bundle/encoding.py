"""From feature values to the model's matrix, in the contract's order: one path for one client, a batch and training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from credit.errors import BundleError, FeatureError
from credit.features import RATIO_INPUTS, RATIO_OUTPUTS, application_ratios
from credit.schemas.features import ContractFeature, FeatureContract, ViewBatch, ViewSpec
from credit.schemas.overrides import Overrides, override_columns

Matrix = NDArray[np.float64]
#: A numeric column is float64 with NaN for null, a categorical one holds strings with None for null.
ColumnValues = NDArray[np.float64] | Sequence[str | None]

UNKNOWN_CODE = 0.0


@dataclass(frozen=True, slots=True)
class _ViewPlan:
    """Where the values of one view go: numeric source and target columns, and category columns."""

    spec: ViewSpec
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    #: (index among the view's strings, target column, codes)
    categories: tuple[tuple[int, int, dict[str | None, float]], ...]


class MatrixEncoder:
    """Builds the matrix that a contract describes.

    Raises:
        BundleError: the contract contradicts itself or names an unknown request-time feature.
    """

    def __init__(self, contract: FeatureContract) -> None:
        check_contract(contract)
        self.contract = contract
        self._target = {name: position for position, name in enumerate(contract.names)}
        self._codes = {name: category_codes(values) for name, values in contract.categories.items()}
        self._plans = tuple(self._plan(view) for view in contract.views)
        self._ratios = tuple(
            (feature.name, self._target[feature.name]) for feature in contract.features if feature.view is None
        )
        self._ratio_inputs = self._locate_ratio_inputs() if self._ratios else {}

    def from_views(self, views: Mapping[str, ViewBatch], overrides: Sequence[Overrides] = ()) -> Matrix:
        """The matrix, shape (n, f), of what a reader returned for n clients.

        Args:
            views: by name, the rows of all n clients in order.
            overrides: of their requests, n of them; none at all when no request overrides anything.

        Raises:
            FeatureError: a view is absent or laid out differently from the contract.
        """
        batches = [_matching(views, plan.spec) for plan in self._plans]
        matrix = np.empty((len(batches[0].status), len(self._target)), dtype=np.float64)
        for plan, batch in zip(self._plans, batches, strict=True):
            matrix[:, plan.targets] = batch.numeric[:, plan.sources]
            for source, target, codes in plan.categories:
                matrix[:, target] = [codes.get(row[source], UNKNOWN_CODE) for row in batch.strings]
        if self._ratios:
            inputs = {
                name: np.ascontiguousarray(views[view].numeric[:, source])
                for name, (view, source) in self._ratio_inputs.items()
            }
            ratios = application_ratios(inputs, override_columns(overrides))
            for name, target in self._ratios:
                matrix[:, target] = ratios[name]
        return matrix

    def from_columns(self, columns: Mapping[str, ColumnValues]) -> Matrix:
        """The matrix, shape (n, f), of table columns by feature name, the request-time ones included.

        Other columns are ignored.

        Raises:
            FeatureError: a column is absent.
        """
        names = self.contract.names
        if absent := sorted(set(names) - set(columns)):
            raise FeatureError(f"the table lacks features of the contract: {', '.join(absent)}")
        first = self._encoded(names[0], columns[names[0]])
        matrix = np.empty((len(first), len(names)), dtype=np.float64)
        matrix[:, 0] = first
        for target, name in enumerate(names[1:], start=1):
            matrix[:, target] = self._encoded(name, columns[name])
        return matrix

    def value(self, feature: int, encoded: float) -> float | str | None:
        """What stands behind one cell of the matrix; a category never seen in training has no value of its own."""
        if encoded != encoded:  # NaN
            return None
        name = self.contract.names[feature]
        if name not in self.contract.categories:
            return float(encoded)
        code = int(encoded)
        return "UNKNOWN" if code == int(UNKNOWN_CODE) else self.contract.categories[name][code - 1]

    def _encoded(self, name: str, column: ColumnValues) -> Matrix:
        if name not in self._codes:
            return _floats(column)
        codes = self._codes[name]
        return np.array([codes.get(value, UNKNOWN_CODE) for value in column], dtype=np.float64)

    def _plan(self, view: ViewSpec) -> _ViewPlan:
        numeric = {name: position for position, name in enumerate(view.numeric)}
        strings = {name: position for position, name in enumerate(view.strings)}
        own = [feature for feature in self.contract.features if feature.view == view.name]
        plain = [feature.name for feature in own if feature.kind == "numeric"]
        return _ViewPlan(
            spec=view,
            sources=np.array([numeric[name] for name in plain], dtype=np.intp),
            targets=np.array([self._target[name] for name in plain], dtype=np.intp),
            categories=tuple(
                (strings[feature.name], self._target[feature.name], self._codes[feature.name])
                for feature in own
                if feature.kind == "categorical"
            ),
        )

    def _locate_ratio_inputs(self) -> dict[str, tuple[str, int]]:
        places = {name: (view.name, at) for view in self.contract.views for at, name in enumerate(view.numeric)}
        if absent := sorted(set(RATIO_INPUTS) - set(places)):
            raise BundleError(f"the contract's views lack inputs of the request-time features: {', '.join(absent)}")
        return {name: places[name] for name in RATIO_INPUTS}


def category_codes(values: Sequence[str]) -> dict[str | None, float]:
    """Code by category: position plus 1; NaN for null. What is not in it is UNKNOWN."""
    return {None: np.nan} | {value: float(position) for position, value in enumerate(values, start=1)}


def check_contract(contract: FeatureContract) -> None:
    """Refuse a contract that the encoder could misread.

    Raises:
        BundleError: names occur twice, a feature's view or column is absent, or its kind contradicts its type.
    """
    if not contract.features or not contract.views:
        raise BundleError("the contract has no features or no views")
    if len(set(contract.names)) != len(contract.names):
        raise BundleError("the contract names a feature twice")
    categorical = {feature.name for feature in contract.features if feature.kind == "categorical"}
    if categorical != set(contract.categories):
        raise BundleError("the contract's category maps do not match its categorical features")
    views = {view.name: view for view in contract.views}
    if len(views) != len(contract.views):
        raise BundleError("the contract names a view twice")
    for feature in contract.features:
        _check_feature(feature, views)


def _check_feature(feature: ContractFeature, views: Mapping[str, ViewSpec]) -> None:
    if feature.view is None:
        if feature.name not in RATIO_OUTPUTS:
            raise BundleError(f"request-time feature {feature.name} is not computed by this version")
        return
    if feature.view not in views:
        raise BundleError(f"feature {feature.name} belongs to {feature.view}, which is no view of the contract")
    view = views[feature.view]
    if feature.name not in (view.numeric if feature.kind == "numeric" else view.strings):
        raise BundleError(f"view {view.name} has no {feature.kind} column {feature.name}")


def _matching(views: Mapping[str, ViewBatch], spec: ViewSpec) -> ViewBatch:
    batch = views.get(spec.name)
    if batch is None:
        raise FeatureError(f"view {spec.name} was not read")
    if batch.spec is not spec and batch.spec.columns != spec.columns:
        raise FeatureError(f"view {spec.name} is laid out differently from the model's contract")
    return batch


def _floats(column: ColumnValues) -> Matrix:
    return np.ascontiguousarray(column, dtype=np.float64)
