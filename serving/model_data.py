"""What can be told of the model that answers: its facts, its features, its reference sample."""

from serving.model_store import LoadedModel
from serving.raw_features.scorer import raw_scorer
from serving.reference_statistics import reference_statistics
from serving.schemas.model_data import (
    FeatureNames,
    ModelFeatures,
    ModelInfo,
    NamedFeature,
    RankedFeature,
    ReferenceDescription,
)


def model_title(model: LoadedModel) -> str:
    """Name and version for people."""
    return f"{model.version.name} version {model.version.version}"


def model_info(model: LoadedModel) -> ModelInfo:
    """Where the model comes from and how it decides."""
    bundle, origin = model.bundle, model.bundle.manifest.provenance
    return ModelInfo(
        name=model.version.name,
        version=model.version.version,
        bundle=model.version.bundle,
        trees=bundle.trees,
        features=len(bundle.contract.names),
        feature_service=bundle.contract.service,
        trained=origin.created,
        data_from=origin.data_from,
        data_until=origin.data_until,
        threshold=bundle.policy.threshold,
        costs=bundle.policy.costs,
        risk_bands=bundle.policy.bands,
        metrics=bundle.metrics,
        libraries=origin.libraries,
    )


def feature_ranking(model: LoadedModel, top_n: int | None = None) -> ModelFeatures:
    """The `top_n` most important features, or all."""
    importance = model.bundle.importance
    total = sum(importance.values()) or 1.0
    ranked = sorted(importance.items(), key=lambda one: -one[1])
    return ModelFeatures(
        total=len(ranked),
        features=tuple(
            RankedFeature(rank=rank, feature=name, importance=weight, share=weight / total)
            for rank, (name, weight) in enumerate(ranked[:top_n], start=1)
        ),
    )


def feature_names(model: LoadedModel) -> FeatureNames:
    """What the model eats, in its order, and the other names that raw features may have."""
    contract, names = model.bundle.contract, raw_scorer(model.bundle).names
    eaten = set(contract.names)
    return FeatureNames(
        features=tuple(
            NamedFeature(name=one.name, view=one.view, kind=one.kind, categories=contract.categories.get(one.name))
            for one in contract.features
        ),
        inputs=tuple(name for name in names.stored if name not in eaten),
        columns={column: tuple(form.name for form in names.forms if column in form.columns) for column in names.raw},
    )


def reference_description(model: LoadedModel) -> ReferenceDescription:
    """Statistics of the reference sample in the bundle."""
    rows, features = reference_statistics(model.bundle)
    return ReferenceDescription(model=model_title(model), rows=rows, features=features)
