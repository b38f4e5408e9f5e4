"""`creditctl keys`: API keys of the scoring service."""

import fcntl
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from credit.errors import SettingsError
from serving.callers.api_keys import ApiKey, KeyFile, default_key_file, digest, new_key, parsed_keys
from serving.callers.identity import ALL_SCOPES

app = typer.Typer(
    no_args_is_help=True, help="API keys of the scoring service: kept as hashes in one file, followed while it runs."
)
_DAYS: Final = re.compile(r"([0-9]{1,5})d", re.ASCII)
_File = Annotated[
    Path | None,
    typer.Option("--file", envvar="SERVING_API_KEYS_PATH", help="File of keys; default: in the platform folder."),
]
_Json = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Caller: small letters, digits, `.`, `_` and `-`.")],
    scopes: Annotated[str, typer.Option(help=f"What it may do: {', '.join(sorted(ALL_SCOPES))}; commas between.")],
    rate: Annotated[float | None, typer.Option(help="Clients per second, in place of SERVING_RATE_LIMIT.")] = None,
    burst: Annotated[int | None, typer.Option(help="Clients at once after a pause; default: a second's worth.")] = None,
    expires: Annotated[str | None, typer.Option(help="Day (2027-01-31), moment (UTC) or `90d`.")] = None,
    file: _File = None,
    as_json: _Json = False,
) -> None:
    """Make a key and print it, once. A caller may have several: make the new one before the old one is revoked."""
    key, key_id = new_key()
    now = datetime.now(UTC)
    entry = _entry(
        id=key_id,
        name=name,
        sha256=digest(key),
        scopes=tuple(sorted({part.strip() for part in scopes.split(",")})),
        created=now.replace(microsecond=0),
        expires=None if expires is None else _moment(expires, now),
        rate=rate,
        burst=burst,
    )
    path = file or default_key_file()
    with _changing(path) as keys:
        KeyFile(keys=(*keys, entry)).write(path)
    count = sum(one.name == name for one in keys) + 1
    typer.echo(f"{name} has {count} key{'s' if count > 1 else ''}; this one, {key_id}, is not shown again:", err=True)
    typer.echo(json.dumps({"key": key} | _shown(entry)) if as_json else key)


@app.command("list")
def list_keys(file: _File = None, as_json: _Json = False) -> None:
    """List keys: their ids, callers and scopes; never the keys themselves, which nobody has."""
    keys = _read(file or default_key_file())
    if as_json:
        typer.echo(json.dumps([_shown(key) for key in keys]))
        return
    for key in keys:
        typer.echo(_line(key))


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Caller.")],
    key_id: Annotated[
        str | None, typer.Option("--key", help="Only the key with this id, not all of the caller's.")
    ] = None,
    file: _File = None,
) -> None:
    """Revoke a caller's keys, or one of them; a running service refuses them within two seconds."""
    path = file or default_key_file()
    with _changing(path) as keys:
        gone = [key for key in keys if key.name == name and key_id in (None, key.id)]
        if not gone:
            which = "no key" if key_id is None else f"no key {key_id}"
            raise SettingsError(f"{name} has {which} in {path}: see `creditctl keys list`")
        KeyFile(keys=tuple(key for key in keys if key not in gone)).write(path)
    typer.echo(f"revoked {len(gone)} of {name}: {', '.join(key.id for key in gone)}")


def _read(path: Path) -> tuple[ApiKey, ...]:
    """The keys in the file; none when there is no file yet."""
    try:
        return parsed_keys(path.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


@contextmanager
def _changing(path: Path) -> Iterator[tuple[ApiKey, ...]]:
    """The keys, while nobody else changes the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield _read(path)


def _entry(**fields: Any) -> ApiKey:
    try:
        return ApiKey(**fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        where = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'key'}: {each['msg']}" for each in found)
        raise SettingsError(where) from None


def _moment(text: str, now: datetime) -> datetime:
    if found := _DAYS.fullmatch(text):
        moment = now.replace(microsecond=0) + timedelta(days=int(found[1]))
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise SettingsError(f"{text} is neither a day such as 2027-01-31 nor a time such as 90d") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise SettingsError(f"{text} is over already")
    return moment


def _shown(key: ApiKey) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude={"sha256"})


def _line(key: ApiKey) -> str:
    rate = "" if key.rate is None else f"  {key.rate:g}/s" + ("" if key.burst is None else f", {key.burst} at once")
    until = "" if key.expires is None else f"  until {key.expires:%Y-%m-%d %H:%M} UTC"
    if key.expires is not None and key.expires <= datetime.now(UTC):
        until += " (expired)"
    return f"{key.id}  {key.name}  {','.join(key.scopes)}{rate}{until}"
