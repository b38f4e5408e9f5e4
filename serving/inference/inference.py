"""One inference from body to body; in parts, so that a large one lets others pass between."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.inference.binary import packed, split
from serving.inference.matrix import matrix_of
from serving.inference.tensors import Tensor, WrongTensorError, from_bytes, from_json
from serving.model_store import LoadedModel
from serving.raw_features.errors import InvalidFeaturesError
from serving.schemas.inference import InferAnswer, InferRequest, InputTensor, OutputName, OutputTensor

#: Rows of one part.
PART_ROWS: Final = 50
_DEFAULT: Final[tuple[OutputName, ...]] = ("probability", "margin", "decision")
Outputs = dict[OutputName, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A body; `header` is the length of its JSON when outputs follow in binary form."""

    body: bytes
    header: int | None


class Inference:
    """What one request wants of one model.

    Raises:
        ValidationError: the JSON breaks the protocol.
        InvalidFeaturesError: tensors cannot be used; by input, why.
    """

    def __init__(self, model: LoadedModel, body: bytes, header: int | None = None) -> None:
        text, binary = (body, b"") if header is None else (body[:header], body[header:])
        self._model = model
        self._wanted = InferRequest.model_validate_json(text)
        self._matrix = matrix_of(model.bundle, _tensors(self._wanted.inputs, binary))
        self._names = tuple(dict.fromkeys(one.name for one in self._wanted.outputs)) or _DEFAULT

    def answer(self) -> Answer:
        """All at once."""
        return self.joined([self.part(start) for start in self.parts()])

    @property
    def rows(self) -> int:
        """Clients, or whatever else the rows are about."""
        return len(self._matrix)

    def parts(self) -> range:
        """First rows of the parts."""
        return range(0, len(self._matrix), PART_ROWS)

    def part(self, start: int) -> Outputs:
        """The outputs of one part. A row gives the same bits in any part."""
        bundle, rows = self._model.bundle, self._matrix[start : start + PART_ROWS]
        prediction = bundle.predict(rows)
        found: Outputs = {"probability": prediction.probability, "margin": prediction.margin}
        if "decision" in self._names:
            found["decision"] = np.array([bundle.decide(one).value for one in prediction.probability.tolist()])
        if "contributions" in self._names:
            found["contributions"] = bundle.contributions(rows)
        return {name: found[name] for name in self._names}

    def joined(self, parts: Sequence[Outputs]) -> Answer:
        """The answer of all parts in order."""
        outputs, buffers = [], []
        for name in self._names:
            values = np.concatenate([part[name] for part in parts])
            raw = packed(values) if self._binary(name) else None
            outputs.append(_output(name, values, raw))
            buffers.append(raw or b"")
        version = self._model.version
        answer = InferAnswer(
            model_name=version.name, model_version=version.version, id=self._wanted.id, outputs=tuple(outputs)
        )
        text = answer.model_dump_json(exclude_none=True).encode()
        binary = any(one.data is None for one in outputs)
        return Answer(text + b"".join(buffers), len(text) if binary else None)

    def _binary(self, name: OutputName) -> bool:
        stated = {one.name: one.parameters.get("binary_data") for one in self._wanted.outputs}.get(name)
        return (self._wanted.parameters.get("binary_data_output") if stated is None else stated) is True


def _tensors(inputs: Sequence[InputTensor], binary: bytes) -> dict[str, Tensor]:
    findings: dict[str, str] = {}
    found: dict[str, Tensor] = {}
    try:
        raw = split(inputs, binary)
    except WrongTensorError as error:
        raise InvalidFeaturesError({"inputs": str(error)}) from None
    for sent, own in zip(inputs, raw, strict=True):
        try:
            if sent.name in found:
                raise WrongTensorError("is given twice")
            found[sent.name] = from_json(sent) if own is None else from_bytes(sent, own)
        except WrongTensorError as error:
            findings[sent.name] = str(error)
    if findings:
        raise InvalidFeaturesError(findings)
    return found


def _output(name: OutputName, values: NDArray[Any], raw: bytes | None) -> OutputTensor:
    return OutputTensor(
        name=name,
        shape=values.shape,
        datatype="BYTES" if name == "decision" else "FP64",
        parameters=None if raw is None else {"binary_data_size": len(raw)},
        data=values.ravel().tolist() if raw is None else None,
    )
