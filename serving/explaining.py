"""What a score is made of, and what the online store holds of a client. Reads only; knows nothing of HTTP."""

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from credit.bundle.bundle import Bundle
from credit.errors import CreditError, UnknownClientError
from credit.explanations import fold_contributions, waterfall
from credit.features import RATIO_INPUTS
from credit.reason_codes import Language
from credit.schemas.decision import ModelVersion
from credit.schemas.features import ViewBatch, ViewSpec, ViewStatus
from credit.schemas.overrides import Overrides
from credit.scoring import Scored, recorded_values
from serving.answers import view_state
from serving.model_store import LoadedModel, ModelStore
from serving.schemas.clients import ClientFeatures, StoredFeature, StoredView
from serving.schemas.explain import ExplainAnswer, ExplainRequest, FeatureContribution, WaterfallBar
from serving.schemas.score import AnsweringModel
from serving.service import utc_now


class Explanations:
    """Answers without deciding; thread-safe.

    Args:
        models: where the current model comes from.
        now: clock of ages.
    """

    def __init__(self, models: ModelStore, now: Callable[[], datetime] = utc_now) -> None:
        self._models = models
        self._now = now

    def explain(self, wanted: ExplainRequest) -> ExplainAnswer:
        """Every contribution to a client's score.

        Raises:
            UnknownClientError: no view holds a row for the client.
            IncompleteFeaturesError: a view that the model must have is missing.
            StoreUnavailableError: the online store did not answer in time.
            ModelNotReadyError: no model is loaded yet.
        """
        model = self._models.current()
        bundle = model.bundle
        views = model.reader.read([wanted.client_id])
        scored = scored_alone(model, views, wanted.client_id, wanted.lang, wanted.application)
        matrix = bundle.matrix(views, [wanted.application])
        contributions = bundle.contributions(matrix)
        folded = fold_contributions(contributions, bundle.contract.names, bundle.reason_texts, wanted.lang)
        bars = waterfall(folded, 0, wanted.top)
        base = float(contributions[0, -1])
        now = self._now()
        return ExplainAnswer(
            client_id=wanted.client_id,
            base_value=base,
            contributions=_contributions(bundle, contributions[0], matrix[0], wanted.lang),
            waterfall=tuple(
                WaterfallBar(
                    text=bar.text, members=bar.members, contribution=bar.contribution, start=bar.start, end=bar.end
                )
                for bar in bars
            ),
            sum=bars[-1].end if bars else base,
            margin=scored.margin,
            probability=scored.probability,
            points=scored.points,
            threshold=scored.threshold,
            threshold_margin=bundle.calibration.margin(scored.threshold),
            features={name: view_state(batch, 0, now) for name, batch in views.items()},
            quality=scored.quality,
            model=answering(model.version),
        )

    def stored(self, client_id: int) -> ClientFeatures:
        """What the online store holds of a client.

        Raises:
            UnknownClientError: no view holds a row for the client.
            StoreUnavailableError: the online store did not answer in time.
            ModelNotReadyError: no model is loaded yet.
        """
        model = self._models.current()
        views = model.reader.read([client_id])
        if all(batch.status[0] is ViewStatus.NOT_FOUND for batch in views.values()):
            raise UnknownClientError(client_id)
        values = recorded_values(views, 0)
        now = self._now()
        return ClientFeatures(
            client_id=client_id,
            views={
                spec.name: _stored_view(model.bundle, spec, views[spec.name], values[spec.name], now)
                for spec in model.bundle.contract.views
            },
            model=answering(model.version),
        )


def scored_alone(
    model: LoadedModel,
    views: Mapping[str, ViewBatch],
    client_id: int,
    language: Language,
    overrides: Overrides | None = None,
    *,
    reasons: bool = False,
) -> Scored:
    """One client's score.

    Raises:
        UnknownClientError: no view holds a row for the client.
        IncompleteFeaturesError: a view that the model must have is missing.
    """
    stated = None if overrides is None else [overrides]
    (scored,) = model.scorer.score(views, [client_id], language, overrides=stated, reasons=reasons)
    if isinstance(scored, CreditError):
        raise scored
    return scored


def answering(version: ModelVersion) -> AnsweringModel:
    """The model as answers name it."""
    return AnsweringModel(name=version.name, version=version.version)


def _contributions(
    bundle: Bundle, pushes: NDArray[np.float64], row: NDArray[np.float64], language: Language
) -> tuple[FeatureContribution, ...]:
    features = bundle.contract.features
    return tuple(
        FeatureContribution(
            feature=features[at].name,
            view=features[at].view,
            value=bundle.value(int(at), float(row[at])),
            contribution=float(pushes[at]),
            text=bundle.reason_texts.text(features[at].name, language),
        )
        for at in np.argsort(-np.abs(pushes[:-1]), kind="stable")
    )


def _stored_view(
    bundle: Bundle, spec: ViewSpec, batch: ViewBatch, values: Mapping[str, float | str | None], now: datetime
) -> StoredView:
    eaten = {feature.name for feature in bundle.contract.features if feature.view == spec.name}
    computes = any(feature.view is None for feature in bundle.contract.features)
    return StoredView(
        **view_state(batch, 0, now).model_dump(),
        ttl_seconds=spec.ttl_seconds,
        missing_policy=spec.missing_policy,
        values={
            column.name: StoredFeature(
                value=values[column.name],
                in_model=column.name in eaten,
                for_request_features=computes and column.name in RATIO_INPUTS,
            )
            for column in spec.columns
        },
    )
