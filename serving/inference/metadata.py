"""What the protocol's clients can ask of the model."""

from credit.schemas.features import ContractFeature
from serving.model_store import LoadedModel
from serving.schemas.inference import ModelMetadata, TensorMetadata


def model_metadata(model: LoadedModel) -> ModelMetadata:
    """The model's tensors; -1 stands for any number of rows."""
    contract = model.bundle.contract
    return ModelMetadata(
        name=model.version.name,
        versions=(model.version.version,),
        platform="lightgbm",
        inputs=tuple(_input(feature) for feature in contract.features),
        outputs=(
            TensorMetadata(name="probability", datatype="FP64", shape=(-1,)),
            TensorMetadata(name="margin", datatype="FP64", shape=(-1,)),
            TensorMetadata(name="decision", datatype="BYTES", shape=(-1,)),
            TensorMetadata(name="contributions", datatype="FP64", shape=(-1, len(contract.names) + 1)),
        ),
    )


def _input(feature: ContractFeature) -> TensorMetadata:
    return TensorMetadata(
        name=feature.name, datatype="BYTES" if feature.kind == "categorical" else "FP64", shape=(-1, 1)
    )
