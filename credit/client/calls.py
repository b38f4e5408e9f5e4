"""The operations of the service as calls: what is sent, how its answer is read, and whether it may be repeated."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from credit.client.answers import Answer, BatchPart, Score
from credit.client.errors import UnexpectedAnswerError

#: Items that one request of a batch holds.
LARGEST_PART: Final = 1_000
_IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_T = TypeVar("_T")
_Typed = TypeVar("_Typed", bound=Answer)

Language = Literal["en", "fr"]
Headers: TypeAlias = Mapping[str, str]
Json: TypeAlias = dict[str, Any]
#: The caller's own key, None for one that is made, False for none: then a failed request is not repeated.
IdempotencyKey: TypeAlias = str | Literal[False] | None


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """One client of a batch; fields as in `CreditClient.score`."""

    client_id: int
    application: Mapping[str, float] | None = None
    reasons: bool = True
    lang: Language = "en"


@dataclass(frozen=True, slots=True)
class Call(Generic[_T]):
    """One request.

    Attributes:
        method: of HTTP.
        path: below the service's address.
        read: makes the answer from a successful response.
        content: the body, the same bytes at each attempt: a key belongs to one body.
        headers: of this call.
        repeatable: whether handling it twice is the same as handling it once.
        batch: whether it may take as long as a batch.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], _T]
    content: bytes | None = None
    headers: Headers = field(default_factory=dict)
    repeatable: bool = True
    batch: bool = False


def score(item: ScoreItem, key: IdempotencyKey, headers: Headers | None) -> Call[Score]:
    """`POST /v1/score`."""
    return _keyed("/v1/score", _item(item), _typed(Score), key, headers)


def batch_part(items: Sequence[ScoreItem], key: IdempotencyKey, headers: Headers | None) -> Call[BatchPart]:
    """`POST /v1/score/batch` for at most `LARGEST_PART` items."""
    body = {"items": [_item(item) for item in items]}
    return replace(_keyed("/v1/score/batch", body, _typed(BatchPart), key, headers), batch=True)


def parts(items: Iterable[ScoreItem | int]) -> list[list[ScoreItem]]:
    """Items cut into what one request holds, in order; a number stands for a client without options."""
    whole = [ScoreItem(item) if isinstance(item, int) else item for item in items]
    return [whole[start : start + LARGEST_PART] for start in range(0, len(whole), LARGEST_PART)]


def part_key(key: IdempotencyKey, part: int) -> IdempotencyKey:
    """The key of one part of a batch: the caller's own for the first, told apart for the others."""
    return f"{key}/{part}" if key and part else key


def look(path: str, headers: Headers | None, *, repeatable: bool = True) -> Call[Json]:
    """GET of a JSON object."""
    return Call("GET", path, _object, headers=dict(headers or {}), repeatable=repeatable)


def ask(path: str, body: Mapping[str, Any], headers: Headers | None) -> Call[Json]:
    """POST that computes and changes nothing."""
    return _post(path, body, _object, headers, repeatable=True)


def tell(path: str, body: Mapping[str, Any], headers: Headers | None) -> Call[Json]:
    """POST that records something."""
    return _post(path, body, _object, headers, repeatable=False)


def about(
    client_id: int, application: Mapping[str, float] | None, lang: Language | None, rest: Mapping[str, Any]
) -> Json:
    """Body of a question about one client: only what the caller states."""
    named = {"client_id": client_id, "application": None if application is None else dict(application), "lang": lang}
    return {name: value for name, value in named.items() if value is not None} | dict(rest)


def segment(value: str | int) -> str:
    """`value` as one segment of a path."""
    return quote(str(value), safe="")


def _keyed(
    path: str, body: Json, read: Callable[[httpx.Response], _T], key: IdempotencyKey, headers: Headers | None
) -> Call[_T]:
    if key is False:
        return _post(path, body, read, headers, repeatable=False)
    sent = {_IDEMPOTENCY_KEY: str(uuid.uuid4()) if key is None else key}
    return _post(path, body, read, {**(headers or {}), **sent}, repeatable=True)


def _post(
    path: str,
    body: Mapping[str, Any],
    read: Callable[[httpx.Response], _T],
    headers: Headers | None,
    *,
    repeatable: bool,
) -> Call[_T]:
    content = json.dumps(body, separators=(",", ":")).encode()
    return Call("POST", path, read, content, {**(headers or {}), "Content-Type": "application/json"}, repeatable)


def _item(item: ScoreItem) -> Json:
    body: Json = {"client_id": item.client_id, "reasons": item.reasons, "lang": item.lang}
    return body if item.application is None else body | {"application": dict(item.application)}


def _typed(model: type[_Typed]) -> Callable[[httpx.Response], _Typed]:
    def read(response: httpx.Response) -> _Typed:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            names = sorted({".".join(map(str, found["loc"])) or "body" for found in error.errors()})
            raise _unexpected(response, f"unlike what this client knows: {', '.join(names[:5])}") from None

    return read


def _object(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _unexpected(response, "no JSON object")
    return body


def _unexpected(response: httpx.Response, what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(f"the answer of {response.request.url.path} is {what}")
