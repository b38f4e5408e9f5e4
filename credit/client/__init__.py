"""Client of the scoring service over HTTP: typed answers, typed errors, retries only where they are safe."""

from credit.client.answers import BatchItem, ItemProblem, Model, Quality, Reason, Score, ViewState
from credit.client.async_client import AsyncCreditClient
from credit.client.calls import ScoreItem
from credit.client.client import CreditClient
from credit.client.errors import (
    AccessError,
    ConflictError,
    FieldError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    ProblemError,
    RateLimitedError,
    ServiceError,
    UnavailableError,
    UnexpectedAnswerError,
)
from credit.client.timing import Retries, Timeouts

__all__ = [
    "AccessError",
    "AsyncCreditClient",
    "BatchItem",
    "ConflictError",
    "CreditClient",
    "FieldError",
    "InvalidRequestError",
    "ItemProblem",
    "Model",
    "NoAnswerError",
    "NotFoundError",
    "ProblemError",
    "Quality",
    "RateLimitedError",
    "Reason",
    "Retries",
    "Score",
    "ScoreItem",
    "ServiceError",
    "Timeouts",
    "UnavailableError",
    "UnexpectedAnswerError",
    "ViewState",
]
