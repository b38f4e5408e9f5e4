"""From input tensors to the model's matrix."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.schemas.features import ContractFeature, FeatureContract
from serving.inference.tensors import Tensor
from serving.raw_features.errors import InvalidFeaturesError
from serving.schemas.score import MAX_ITEMS

#: The one tensor that holds all features: shape [n, f], in the model's order, categories as codes.
MATRIX_INPUT: Final = "features"
_REAL: Final = ("FP64", "FP32")


def matrix_of(bundle: Bundle, inputs: Mapping[str, Tensor]) -> NDArray[np.float64]:
    """The matrix, shape (n, f), of one tensor `features` or of one tensor for each feature.

    Raises:
        InvalidFeaturesError: by input, what is wrong.
    """
    if [*inputs] == [MATRIX_INPUT]:
        return _whole(bundle.contract, inputs[MATRIX_INPUT])
    findings = {name: "is no feature of the model" for name in inputs if name not in set(bundle.contract.names)}
    findings |= {name: "is not given" for name in bundle.contract.names if name not in inputs}
    if not findings:
        rows = next(iter(inputs.values())).shape[0]
        found = ((one.name, _obstacle(one, inputs[one.name], rows)) for one in bundle.contract.features)
        findings = {name: text for name, text in found if text is not None}
    if findings:
        raise InvalidFeaturesError(findings)
    return bundle.matrix_from_columns({name: tensor.values for name, tensor in inputs.items()})


def _whole(contract: FeatureContract, tensor: Tensor) -> NDArray[np.float64]:
    width = len(contract.names)
    obstacle = _rows_obstacle(tensor.shape[0])
    if tensor.datatype not in _REAL or len(tensor.shape) != 2 or tensor.shape[1] != width:
        obstacle = f"must be FP64 of shape [n, {width}]"
    if obstacle is not None:
        raise InvalidFeaturesError({MATRIX_INPUT: obstacle})
    assert isinstance(tensor.values, np.ndarray)
    matrix = tensor.values.reshape(tensor.shape)
    if findings := dict(_wrong_codes(contract, matrix)):
        raise InvalidFeaturesError(findings)
    return matrix


def _wrong_codes(contract: FeatureContract, matrix: NDArray[np.float64]) -> list[tuple[str, str]]:
    found = []
    for at, feature in enumerate(contract.features):
        if feature.kind == "categorical":
            most = len(contract.categories[feature.name])
            codes = matrix[:, at][~np.isnan(matrix[:, at])]
            if ((codes < 0) | (codes > most) | (codes != np.floor(codes))).any():
                found.append((feature.name, f"must hold codes: whole numbers from 0 (unknown) to {most}, or NaN"))
    return found


def _obstacle(feature: ContractFeature, tensor: Tensor, rows: int) -> str | None:
    if tensor.shape not in ((rows,), (rows, 1)):
        return "must have the shape [n] or [n, 1], with the n of the other inputs"
    if (tensor.datatype == "BYTES") != (feature.kind == "categorical"):
        return "must be BYTES" if feature.kind == "categorical" else "must be a number's datatype"
    return _rows_obstacle(rows)


def _rows_obstacle(rows: int) -> str | None:
    return None if 1 <= rows <= MAX_ITEMS else f"must have 1 to {MAX_ITEMS:,} rows"
