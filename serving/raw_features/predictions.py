"""From scored raw features to answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from credit.errors import CreditError
from credit.policy import RiskBands
from credit.schemas.decision import Decision
from serving.model_store import LoadedModel
from serving.raw_features.scorer import RawScored, raw_scorer
from serving.schemas.predict import Contribution, ExplainedPrediction, PredictAnswer, PredictionQuality, PredictItem
from serving.schemas.score import AnsweringModel, ItemProblem

_LEVELS: Final[tuple[Literal["low", "medium", "high"], ...]] = ("low", "medium", "high")
Features = Mapping[str, Any]


def predict(model: LoadedModel, features: Features, threshold: float | None = None) -> PredictAnswer:
    """The prediction for one application; with a `threshold` of the caller it is a simulation.

    Raises:
        InvalidFeaturesError: names or values are wrong.
        LackingFeaturesError: nothing was given of a view that the model must have.
    """
    return _answer(model, _one(model, features), threshold)


def predict_many(
    model: LoadedModel, applications: Sequence[Features], threshold: float | None = None
) -> list[PredictItem]:
    """What `predict` would say about each; one that fails harms no other."""
    return [
        PredictItem(problem=ItemProblem(code=one.code, detail=str(one)))
        if isinstance(one, CreditError)
        else PredictItem(result=_answer(model, one, threshold))
        for one in raw_scorer(model.bundle).score(applications)
    ]


def explain(
    model: LoadedModel, features: Features, threshold: float | None = None, top_n: int | None = None
) -> ExplainedPrediction:
    """`predict` with all exact contributions, or the `top_n` strongest and the sum of the rest.

    Raises:
        InvalidFeaturesError: names or values are wrong.
        LackingFeaturesError: nothing was given of a view that the model must have.
    """
    scored = _one(model, features)
    bundle = model.bundle
    pushes = bundle.contributions(scored.row[None, :])[0]
    order = np.argsort(-np.abs(pushes[:-1]), kind="stable")
    shown = order if top_n is None else order[:top_n]
    return ExplainedPrediction(
        prediction=_answer(model, scored, threshold),
        margin=scored.margin,
        base=float(pushes[-1]),
        contributions=tuple(
            Contribution(
                feature=bundle.contract.names[at],
                value=bundle.value(int(at), float(scored.row[at])),
                contribution=float(pushes[at]),
            )
            for at in shown
        ),
        rest=float(pushes[order[len(shown) :]].sum()),
    )


def _one(model: LoadedModel, features: Features) -> RawScored:
    (scored,) = raw_scorer(model.bundle).score([features])
    if isinstance(scored, CreditError):
        raise scored
    return scored


def _answer(model: LoadedModel, scored: RawScored, stated: float | None) -> PredictAnswer:
    policy = model.bundle.policy
    threshold = policy.threshold if stated is None else stated
    probability = scored.probability
    return PredictAnswer(
        probability=probability,
        prediction=int(probability >= threshold),
        decision=_decision(scored, stated),
        threshold=threshold,
        simulated=stated is not None,
        confidence=max(probability, 1 - probability),
        risk_band=policy.bands.band(probability),
        risk_level=_level(policy.bands, probability),
        points=scored.points,
        quality=PredictionQuality(
            coverage=scored.held,
            views=scored.coverage,
            missing=tuple(scored.policies),
            policies=scored.policies,
            unknown_categories=scored.unknown_categories,
            unused=scored.unused,
        ),
        model=AnsweringModel(name=model.version.name, version=model.version.version),
    )


def _decision(scored: RawScored, stated: float | None) -> Decision:
    if stated is None or scored.decision is Decision.REFERRED:
        return scored.decision
    return Decision.REFUSED if scored.probability >= stated else Decision.APPROVED


def _level(bands: RiskBands, probability: float) -> Literal["low", "medium", "high"]:
    position = bands.names.index(bands.band(probability))
    return _LEVELS[position * len(_LEVELS) // len(bands.names)]
