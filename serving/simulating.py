"""What a score would be if stored features were others. Reads only; knows nothing of HTTP."""

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np

from credit.bundle.bundle import Bundle
from credit.counterfactual.search import CounterfactualSearch, SearchResult
from credit.explanations import fold_contributions
from credit.reason_codes import Language
from credit.schemas.decision import Decision
from credit.schemas.features import ViewBatch
from credit.scoring import Scored
from credit.what_if import StoredFeatures
from serving.answers import view_state
from serving.explaining import answering, scored_alone
from serving.model_store import ModelStore
from serving.schemas.whatif import (
    ChangeSearch,
    ContributionChange,
    Outcome,
    SmallestChange,
    WhatIfAnswer,
    WhatIfRequest,
)
from serving.service import utc_now


class Simulations:
    """Answers without deciding; thread-safe.

    Args:
        models: where the current model comes from.
        now: clock of ages.
    """

    def __init__(self, models: ModelStore, now: Callable[[], datetime] = utc_now) -> None:
        self._models = models
        self._now = now
        self._latest: tuple[str, CounterfactualSearch] | None = None

    def what_if(self, wanted: WhatIfRequest) -> WhatIfAnswer:
        """The score with the overrides beside the one without, and the smallest change that turns the former round.

        Raises:
            UnusableFeaturesError: an override names no stored feature of the model, or an impossible value.
            UnknownClientError: no view holds a row for the client.
            IncompleteFeaturesError: a view that the model must have is missing.
            StoreUnavailableError: the online store did not answer in time.
            ModelNotReadyError: no model is loaded yet.
        """
        model = self._models.current()
        bundle = model.bundle
        stored = StoredFeatures(bundle.contract)
        stored.check(wanted.overrides)
        views = model.reader.read([wanted.client_id])
        changed = stored.changed(views, wanted.overrides)
        before = scored_alone(model, views, wanted.client_id, wanted.lang, reasons=True)
        after = scored_alone(model, changed, wanted.client_id, wanted.lang, reasons=True)
        outcome = _outcome(after, after.threshold if wanted.threshold is None else wanted.threshold)
        change, search = self._smallest_change(bundle, changed, outcome, wanted.lang)
        now = self._now()
        return WhatIfAnswer(
            client_id=wanted.client_id,
            before=_outcome(before, before.threshold),
            after=outcome,
            delta_probability=after.probability - before.probability,
            delta_contributions=_deltas(bundle, views, changed, wanted.lang),
            smallest_change=change,
            search=search,
            features={name: view_state(batch, 0, now) for name, batch in views.items()},
            model=answering(model.version),
        )

    def _smallest_change(
        self, bundle: Bundle, views: Mapping[str, ViewBatch], start: Outcome, language: Language
    ) -> tuple[SmallestChange | None, ChangeSearch]:
        if start.decision is Decision.REFERRED:
            return None, ChangeSearch(outcome="referred", features=(), evaluations=0, complete=True)
        found = self._search(bundle).smallest_change(views, start.threshold)
        change = found.change
        outcome = ChangeSearch(
            outcome="none" if change is None else "found",
            features=found.features,
            evaluations=found.evaluations,
            complete=found.complete,
        )
        return _change(found, start, language), outcome

    def _search(self, bundle: Bundle) -> CounterfactualSearch:
        """Kept for as long as the model stays: making one parses the reference sample."""
        latest = self._latest
        if latest is None or latest[0] != bundle.bundle_id:
            latest = (bundle.bundle_id, CounterfactualSearch(bundle))
            self._latest = latest
        return latest[1]


def _outcome(scored: Scored, threshold: float) -> Outcome:
    refused = Decision.REFUSED if scored.probability >= threshold else Decision.APPROVED
    return Outcome(
        margin=scored.margin,
        probability=scored.probability,
        points=scored.points,
        threshold=threshold,
        decision=Decision.REFERRED if scored.decision is Decision.REFERRED else refused,
        risk_band=scored.risk_band,
        reasons=scored.reasons,
    )


def _change(found: SearchResult, start: Outcome, language: Language) -> SmallestChange | None:
    change = found.change
    if change is None:
        return None
    return SmallestChange(
        feature=change.feature,
        text=change.rule.act(language),
        change_from=change.before,
        change_to=change.after,
        distance=change.distance,
        probability=change.probability,
        decision=Decision.APPROVED if start.decision is Decision.REFUSED else Decision.REFUSED,
    )


def _deltas(
    bundle: Bundle, before: Mapping[str, ViewBatch], after: Mapping[str, ViewBatch], language: Language
) -> tuple[ContributionChange, ...]:
    matrix = np.concatenate([bundle.matrix(before), bundle.matrix(after)])
    folded = fold_contributions(bundle.contributions(matrix), bundle.contract.names, bundle.reason_texts, language)
    first, second = folded.contributions
    return tuple(
        ContributionChange(
            text=folded.names[at],
            members=folded.members[at],
            before=float(first[at]),
            after=float(second[at]),
            delta=float(second[at] - first[at]),
        )
        for at in np.argsort(-np.abs(second - first), kind="stable")
    )
