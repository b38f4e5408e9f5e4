"""Addresses of Redis: one text says where the servers are, how they belong together and whether TLS is spoken."""

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from credit.errors import SettingsError

Topology = Literal["standalone", "sentinel", "cluster"]

_SCHEME: Final = re.compile(r"redis(?P<tls>s?)(?:\+(?P<topology>sentinel|cluster))?://(?P<rest>[^?#]*)")
_PORTS: Final[dict[Topology, int]] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
_EXPECTED: Final = (
    "expected redis://[user[:password]@]host:port/db, redis+sentinel://host:port,host:port/service/db or "
    "redis+cluster://host:port,host:port; with TLS rediss instead of redis; no options after ?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is.

    Attributes:
        topology: one server, a primary that sentinels name, or a cluster.
        tls: whether to speak TLS, to sentinels too.
        nodes: host and port of the server, of the sentinels, or of cluster nodes to ask first.
        username: ACL user; None for the default one.
        password: of that user.
        service: name that the sentinels know the primary by.
        db: number of the database; a cluster has only 0.
    """

    topology: Topology
    tls: bool
    nodes: tuple[tuple[str, int], ...]
    username: str | None = None
    password: str | None = None
    service: str | None = None
    db: int = 0


def parse_address(text: str) -> Address:
    """The parts of an address.

    Raises:
        SettingsError: it is malformed; the text is not shown, it may hold a password.
    """
    found = _SCHEME.fullmatch(text)
    if found is None:
        raise _malformed("unknown beginning or options after ?")
    topology = _topology(found["topology"])
    authority, _, path = found["rest"].partition("/")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    service, db = _service_and_db(topology, path)
    return Address(
        topology=topology,
        tls=bool(found["tls"]),
        nodes=tuple(_node(host, _PORTS[topology]) for host in hosts.split(",")),
        username=unquote(user) or None,
        password=unquote(password) or None,
        service=service,
        db=db,
    )


def _topology(name: str | None) -> Topology:
    if name == "sentinel":
        return "sentinel"
    return "cluster" if name == "cluster" else "standalone"


def _service_and_db(topology: Topology, path: str) -> tuple[str | None, int]:
    service, db = None, path
    if topology == "sentinel":
        service, _, db = path.partition("/")
        if not service:
            raise _malformed("the name of the sentinels' service is missing")
    if db and not db.isdecimal():
        raise _malformed(f"{db!r} is not the number of a database")
    number = int(db or 0)
    if number and topology == "cluster":
        raise _malformed("a cluster has only database 0")
    return service and unquote(service), number


def _node(text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        raise _malformed("a port is no number") from None
    if not parts.hostname:
        raise _malformed("a host is missing")
    return parts.hostname, port or default_port


def _malformed(cause: str) -> SettingsError:
    return SettingsError(f"the address of Redis is malformed ({cause}): {_EXPECTED}")
