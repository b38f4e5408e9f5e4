"""Write `docs/reference/api.md` from the OpenAPI document; with --check, fail if it is out of date."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
from generated_page import write_or_check

from credit.bundle.keys import make_key_pair
from serving.api.problems import known_problems
from serving.replica import Replica
from serving.settings import ServingSettings

PAGE: Final = Path("docs/reference/api.md")
_INTRODUCTION: Final = """# HTTP API

How to call it: [call the API](../how-to/call-the-api.md). The running service shows the same at `/docs`, and as
OpenAPI 3.1 at `/openapi.json`. Every error is `application/problem+json` (RFC 9457); its `code` is [below](#problems).
Generated from the OpenAPI document by `make pages`.
"""
#: What a caller does about a problem, by status.
_ADVICE: Final = {
    HTTPStatus.UNAUTHORIZED: "Send a valid key or token.",
    HTTPStatus.FORBIDDEN: "Ask for a key or token with the scope of the operation.",
    HTTPStatus.NOT_FOUND: "Check the id. The same request will be answered alike.",
    HTTPStatus.CONFLICT: "Do what `detail` says. The same request will be answered alike.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Send less in one request.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Mend the fields that `errors` names.",
    HTTPStatus.TOO_MANY_REQUESTS: "Wait as long as `Retry-After` says.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Report the `request_id`.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Wait as long as `Retry-After` says, then repeat with the same `Idempotency-Key`.",
}
Operation = tuple[str, str, dict[str, Any]]


def openapi() -> dict[str, Any]:
    """The document of a service that is wired, but not started: it reaches for no store."""
    with tempfile.TemporaryDirectory() as folder:
        key = make_key_pair(Path(folder)).public
        replica = Replica(
            ServingSettings.load(authentication="off", redis_url="redis://127.0.0.1:1/0", public_key_path=key)
        )
    return asyncio.run(_asked(replica))


async def _asked(replica: Replica) -> dict[str, Any]:
    transport = httpx.ASGITransport(replica.api())
    async with httpx.AsyncClient(transport=transport, base_url="http://scoring") as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        return document


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    operations = [
        (method.upper(), path, each) for path, item in document["paths"].items() for method, each in item.items()
    ]
    schemas = document["components"]["schemas"]
    lines = [
        _INTRODUCTION,
        *_overview(operations),
        *(line for operation in operations for line in _operation(operation, schemas)),
        *_problems(),
        *_bodies(schemas),
    ]
    return "\n".join(lines)


def _overview(operations: list[Operation]) -> Iterator[str]:
    yield from ("## Operations", "", "| operation | scope | what |", "|---|---|---|")
    for method, path, operation in operations:
        scopes = ", ".join(f"`{scope}`" for scope in operation.get("x-scopes", ())) or "none"
        yield f"| [`{method} {path}`](#{_anchor(method, path)}) | {scopes} | {_cell(operation.get('summary', ''))} |"
    yield ""


def _operation(operation: Operation, schemas: dict[str, Any]) -> Iterator[str]:
    method, path, told = operation
    yield from (f"### `{method} {path}`", "", f"{told.get('summary', '')}. {told.get('description', '')}".strip(), "")
    yield from _parameters(told.get("parameters", []))
    for media in told.get("requestBody", {}).get("content", {}).values():
        yield from _body("Body", media, schemas)
    for status, answer in told["responses"].items():
        if int(status) < HTTPStatus.BAD_REQUEST:
            for media in answer.get("content", {}).values():
                yield from _body("Answer", media, schemas)
    refusals = [status for status in told["responses"] if int(status) >= HTTPStatus.BAD_REQUEST]
    if refusals:
        yield from (f"Problems: {', '.join(refusals)}.", "")


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    if not parameters:
        return
    yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
    for each in parameters:
        need = " (required)" if each.get("required") else ""
        kind = _type(each["schema"])
        yield f"| `{each['name']}` | {each['in']}{need} | {kind} | {_cell(each.get('description', ''))} |"
    yield ""


def _body(title: str, media: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    schema = media.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    examples = [media["example"]] if "example" in media else schemas.get(name, schema).get("examples", [])
    if name:
        yield from (f"{title}: [`{name}`](#{name.lower()}).", "")
    for example in examples[:2]:
        yield from ("```json", json.dumps(example, ensure_ascii=False, indent=1), "```", "")


def _problems() -> Iterator[str]:
    yield from ("## Problems", "", "| code | status | meaning | what to do |", "|---|---|---|---|")
    for code, status, meaning in sorted(known_problems(), key=lambda known: (known[1], known[0])):
        yield f"| `{code}` | {status.value} | {_cell(meaning)} | {_ADVICE[status]} |"
    yield from ("", "A path or method that does not exist is `not_found` (404) or `method_not_allowed` (405).", "")


def _bodies(schemas: dict[str, Any]) -> Iterator[str]:
    yield from ("## Bodies", "")
    for name, schema in sorted(schemas.items()):
        yield from (f"### {name}", "", " ".join(schema.get("description", "").split()), "")
        if "enum" in schema:
            yield from (f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.", "")
        if schema.get("properties"):
            yield from _fields(schema)


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    yield from ("| field | type | meaning |", "|---|---|---|")
    for name, field in schema["properties"].items():
        need = "" if name in schema.get("required", ()) else " (optional)"
        yield f"| `{name}`{need} | {_type(field)} | {_cell(field.get('description', ''))} |"
    yield ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type(schema['additionalProperties'])}"
    return f"{kind}{_limits(schema)}"


def _limits(schema: dict[str, Any]) -> str:
    names = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[name]:,}" for name, sign in names.items() if name in schema]
    return f" {', '.join(found)}" if found else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _anchor(method: str, path: str) -> str:
    kept = (char for char in f"{method} {path}".lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")


if __name__ == "__main__":
    raise SystemExit(write_or_check(PAGE, page(openapi())))
