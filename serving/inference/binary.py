"""The protocol's extension for binary tensors: values follow the JSON, in the order of the tensors."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from serving.inference.tensors import WrongTensorError
from serving.schemas.inference import InputTensor


def split(inputs: Sequence[InputTensor], binary: bytes) -> list[bytes | None]:
    """The part of `binary` that belongs to each input; None for one whose values are in the JSON.

    Raises:
        WrongTensorError: the sizes do not add up to the binary part, or an input has both.
    """
    found: list[bytes | None] = []
    at = 0
    for sent in inputs:
        size = sent.parameters.get("binary_data_size")
        if size is None:
            found.append(None)
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - at or sent.data is not None:
            raise WrongTensorError("binary_data_size must be the size of the tensor's part of the body, without data")
        found.append(binary[at : at + size])
        at += size
    if at != len(binary):
        raise WrongTensorError("the body has more binary data than its inputs say")
    return found


def packed(values: NDArray[Any]) -> bytes:
    """An output's values: little endian numbers, or texts each after its length in four bytes."""
    if values.dtype.kind == "f":
        return values.astype("<f8").tobytes()
    texts = [str(value).encode() for value in values.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
