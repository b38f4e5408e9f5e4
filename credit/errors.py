"""The one exception tree of the platform.

Every error that a person or a caller can meet derives from `CreditError`. The message says what is wrong
and what to do; `code` is a stable machine name. HTTP status codes are assigned once, at the serving edge.
"""

from collections.abc import Sequence


class CreditError(Exception):
    """Base of all errors that the platform raises on purpose."""

    code = "error"


class SettingsError(CreditError):
    """A setting is missing, malformed or contradicts another."""

    code = "settings"


class StepError(CreditError):
    """A long step failed: names the step, the cause and what to do."""

    code = "step_failed"


class DataError(CreditError):
    """Input data cannot be used. `problems` lists every finding, not only the first."""

    code = "data"

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n  - ".join([message, *self.problems]))


class FeatureError(CreditError):
    """A feature definition, build or read went wrong."""

    code = "features"


class CodecError(FeatureError):
    """Stored feature bytes are truncated, altered or of another layout."""

    code = "feature_codec"


class UnknownClientError(CreditError):
    """The client has no row in any feature view."""

    code = "unknown_client"

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        super().__init__(f"client {client_id} is unknown: no feature view holds a row for it")


class IncompleteFeaturesError(CreditError):
    """A view that the model must not do without holds no usable row for the client."""

    code = "incomplete_features"

    def __init__(self, client_id: int, views: Sequence[str]) -> None:
        self.client_id = client_id
        self.views = tuple(views)
        super().__init__(
            f"client {client_id} is not scored: no usable features in {', '.join(views)}; "
            "build and materialise these views again"
        )


class StoreUnavailableError(CreditError):
    """The online store or the decision log cannot be reached in time."""

    code = "store_unavailable"


class DecisionLogFullError(CreditError):
    """The decision log is at its limit; nothing is scored until it is archived."""

    code = "decision_log_full"


class IdempotencyConflictError(CreditError):
    """An idempotency key came again with another request."""

    code = "idempotency_conflict"


class UnknownDecisionError(CreditError):
    """Neither the decision log nor the archive holds the decision."""

    code = "unknown_decision"


class OutcomeConflictError(CreditError):
    """The decision has another outcome already."""

    code = "outcome_conflict"


class ModelNotReadyError(CreditError):
    """No verified model is loaded yet. With a known obstacle, `code` and text are the obstacle's."""

    code = "model_not_ready"

    def __init__(self, obstacle: CreditError | None = None) -> None:
        super().__init__("the model is being loaded" if obstacle is None else str(obstacle))
        if obstacle is not None:
            self.code = obstacle.code


class BundleError(CreditError):
    """A model bundle is absent, unsigned, altered or malformed."""

    code = "bundle"


class RegistryError(CreditError):
    """The model registry cannot be reached or does not hold what was asked for."""

    code = "registry"


class TrainingError(CreditError):
    """Training cannot go on with the data or settings given."""

    code = "training"


class GateRefusedError(CreditError):
    """A gate said no; command lines exit with 2."""

    code = "gate_refused"
