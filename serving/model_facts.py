"""What there is to know about the models that this replica holds. Knows nothing of HTTP."""

from collections.abc import Sequence

from credit.bundle.bundle import Bundle
from credit.reason_codes import Language
from serving.model_store import LoadedModel
from serving.registry import ListedVersion
from serving.schemas.models import (
    CurrentModel,
    DataWindow,
    FeatureRanking,
    ModelCounts,
    ModelList,
    ModelSummary,
    RankedFeature,
    RegisteredModel,
)


def model_list(
    current: LoadedModel, previous: LoadedModel | None, alias: str | None, versions: Sequence[ListedVersion] | None
) -> ModelList:
    """The models held and the versions registered; `versions` is None when the registry does not tell them."""
    return ModelList(
        current=_summary(current, alias),
        previous=None if previous is None else _summary(previous, None),
        registry="unavailable" if versions is None else "available",
        versions=None if versions is None else tuple(map(_registered, versions)),
    )


def current_model(model: LoadedModel, alias: str | None) -> CurrentModel:
    """Everything about the model that answers, but its features."""
    bundle, policy, origin = model.bundle, model.bundle.policy, model.bundle.manifest.provenance
    return CurrentModel(
        **_summary(model, alias).model_dump(),
        feature_service=bundle.contract.service,
        threshold=policy.threshold,
        costs=policy.costs,
        bands=policy.bands,
        points=policy.points,
        calibration=bundle.calibration.method,
        data=DataWindow(
            applications_from=origin.data_from,
            applications_until=origin.data_until,
            labels_known_until=origin.known_until,
            test_from=origin.test_from,
            sample=origin.sample,
            rows=origin.rows,
            dataset_sha256=origin.dataset_sha256,
        ),
        git_revision=origin.git_revision,
        libraries=origin.libraries,
        seed=origin.seed,
        reason_texts=bundle.reason_texts.version,
        counts=_counts(bundle),
    )


def ranking(model: LoadedModel, top_n: int, language: Language) -> FeatureRanking:
    """The `top_n` most important features of the model; of equal ones the contract's first."""
    bundle = model.bundle
    weights = {feature.name: bundle.importance.get(feature.name, 0.0) for feature in bundle.contract.features}
    total = sum(weights.values())
    ordered = sorted(bundle.contract.features, key=lambda feature: -weights[feature.name])
    return FeatureRanking(
        name=model.version.name,
        version=model.version.version,
        bundle=model.version.bundle,
        total=len(ordered),
        features=tuple(
            RankedFeature(
                rank=rank,
                feature=feature.name,
                importance=weights[feature.name],
                share=weights[feature.name] / total if total else 0.0,
                text=bundle.reason_texts.text(feature.name, language),
                view=feature.view,
                kind=feature.kind,
            )
            for rank, feature in enumerate(ordered[:top_n], start=1)
        ),
    )


def _summary(model: LoadedModel, alias: str | None) -> ModelSummary:
    return ModelSummary(
        name=model.version.name,
        version=model.version.version,
        alias=alias,
        bundle=model.version.bundle,
        trained_at=model.bundle.manifest.provenance.created,
        metrics=model.bundle.metrics,
    )


def _registered(version: ListedVersion) -> RegisteredModel:
    return RegisteredModel(
        version=version.version, created_at=version.created, aliases=version.aliases, bundle=version.bundle
    )


def _counts(bundle: Bundle) -> ModelCounts:
    features = bundle.contract.features
    request_time = sum(feature.view is None for feature in features)
    return ModelCounts(
        features=len(features),
        stored=len(features) - request_time,
        request_time=request_time,
        categorical=len(bundle.contract.categories),
        views=len(bundle.contract.views),
        trees=bundle.trees,
    )
