"""Bodies of the Open Inference Protocol, version 2 (REST)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from credit.schemas.features import Frozen

Datatype = Literal["BOOL", "INT32", "INT64", "FP32", "FP64", "BYTES"]
OutputName = Literal["probability", "margin", "decision", "contributions"]
Parameters = dict[str, Any]


class ProtocolRequest(BaseModel):
    """Base of what protocol clients send: known fields are strict, further ones are left to the clients."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


_Size = Annotated[int, Field(ge=0, le=2**31)]


class InputTensor(ProtocolRequest):
    """One input: its values row by row, flat or nested, or in the binary part of the body."""

    name: str
    shape: tuple[_Size, ...] = Field(min_length=1, max_length=2, strict=False)
    datatype: Datatype
    parameters: Parameters = Field(default_factory=dict)
    data: list[Any] | None = None


class RequestedOutput(ProtocolRequest):
    """One output that the caller wants."""

    name: OutputName
    parameters: Parameters = Field(default_factory=dict)


class InferRequest(ProtocolRequest):
    """Rows of features: one tensor per feature, or one FP64 tensor `features` of shape [n, f] in the model's order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "42",
                    "inputs": [
                        {"name": "ext_source_1", "shape": [2, 1], "datatype": "FP64", "data": [0.5, None]},
                        {"name": "flag_own_car", "shape": [2, 1], "datatype": "BYTES", "data": ["Y", "N"]},
                    ],
                    "outputs": [{"name": "probability"}],
                }
            ]
        }
    )

    id: str | None = Field(None, max_length=128)
    parameters: Parameters = Field(default_factory=dict)
    inputs: tuple[InputTensor, ...] = Field(min_length=1, max_length=2_000, strict=False)
    outputs: tuple[RequestedOutput, ...] = Field((), max_length=8, strict=False)


class OutputTensor(Frozen):
    """One output, flat and row by row; without `data` its values are in the binary part of the body."""

    name: OutputName
    shape: tuple[int, ...]
    datatype: Literal["FP64", "BYTES"]
    parameters: Parameters | None = None
    data: list[float] | list[str] | None = None


EXAMPLE_OUTPUT: Final[dict[str, Any]] = {"name": "probability", "shape": [2], "datatype": "FP64", "data": [0.19, 0.04]}


class InferAnswer(Frozen):
    """What the model says about each row."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {"model_name": "credit-scoring", "model_version": "3", "id": "42", "outputs": [EXAMPLE_OUTPUT]}
            ]
        },
    )

    model_name: str
    model_version: str
    id: str | None = None
    outputs: tuple[OutputTensor, ...]


class ServerMetadata(Frozen):
    """The server and what it can do beyond the protocol."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "credit-scoring", "version": "0.1.0", "extensions": ["binary_tensor_data"]}]
        }
    )

    name: str
    version: str
    extensions: tuple[str, ...]


class TensorMetadata(Frozen):
    """One tensor; -1 stands for any number of rows."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


class ModelMetadata(Frozen):
    """The model's tensors; the inputs come in the order of the columns of `features`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "credit-scoring",
                    "versions": ["3"],
                    "platform": "lightgbm",
                    "inputs": [{"name": "ext_source_1", "datatype": "FP64", "shape": [-1, 1]}],
                    "outputs": [{"name": "probability", "datatype": "FP64", "shape": [-1]}],
                }
            ]
        }
    )

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


class Live(Frozen):
    """The process runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"live": True}]})

    live: bool


class Ready(Frozen):
    """The server can infer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ready": True}]})

    ready: bool


class ModelReady(Frozen):
    """The model can infer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "credit-scoring", "ready": True}]})

    name: str
    ready: bool
