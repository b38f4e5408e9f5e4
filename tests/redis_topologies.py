"""Real Redis in more than one piece: certificates for TLS, a primary watched by sentinels, a cluster."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis_servers import RedisProcess, TlsFiles, free_port

SERVICE = "main"
_SLOTS = 16_384


def tls_files(folder: Path, host: str = "127.0.0.1") -> TlsFiles:
    """A new authority and a certificate that it signed for `host`, good for servers and clients."""
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"authority of {folder.name}")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = (
        _certificate(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
    )
    cert = (
        _certificate(subject, authority, key)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    files = TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    pem = serialization.Encoding.PEM
    files.ca.write_bytes(ca.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    files.cert.write_bytes(cert.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    files.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return files


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


@dataclass(frozen=True)
class Watched:
    """A primary, its replica, and the sentinels that fail over between them."""

    primary: RedisProcess
    replica: RedisProcess
    sentinels: list[RedisProcess]

    @property
    def url(self) -> str:
        """The sentinels' address, without passwords."""
        return f"redis+sentinel://{_hosts(self.sentinels)}/{SERVICE}/0"

    def failover(self) -> None:
        """Ask for the replica to become primary."""
        with self.sentinels[0].client() as client:
            client.execute_command("SENTINEL", "FAILOVER", SERVICE)


@contextmanager
def watched_redis(
    folder: Path, sentinels: int = 1, password: str = "data", sentinel_password: str = "guard"
) -> Iterator[Watched]:
    """A running primary with one replica and sentinels that call it down after half a second."""
    with ExitStack() as ended:
        secrets = {"masterauth": password, "repl-diskless-sync-delay": 0}
        primary = _started(ended, RedisProcess(folder / "primary", password, options=secrets))
        follow = secrets | {"replicaof": f"127.0.0.1 {primary.port}"}
        replica = _started(ended, RedisProcess(folder / "replica", password, options=follow))
        with replica.client() as client:
            wait_for(lambda: client.info("replication")["master_link_status"] == "up")
        watch = {
            f"sentinel monitor {SERVICE} 127.0.0.1": f"{primary.port} {sentinels // 2 + 1}",
            f"sentinel auth-pass {SERVICE}": password,
            f"sentinel down-after-milliseconds {SERVICE}": 500,
            f"sentinel failover-timeout {SERVICE}": 2000,
            "sentinel sentinel-pass": sentinel_password,
        }
        guards = [
            _started(ended, RedisProcess(folder / f"sentinel{one}", sentinel_password, options=watch, mode=_SENTINEL))
            for one in range(sentinels)
        ]
        for guard in guards:
            with guard.client() as client:
                wait_for(lambda client=client: _knows_all(client.sentinel_master(SERVICE), sentinels))
        yield Watched(primary, replica, guards)


_SENTINEL = ("--sentinel",)


def _knows_all(state: dict[str, object], sentinels: int) -> bool:
    return (state["num-slaves"], state["num-other-sentinels"]) == (1, sentinels - 1)


@dataclass(frozen=True)
class Cluster:
    """Primaries that share the slots evenly, in order, and a replica of the first."""

    primaries: list[RedisProcess]
    replica: RedisProcess | None

    @property
    def url(self) -> str:
        """The primaries' address, without password."""
        return f"redis+cluster://{_hosts(self.primaries)}"

    def node_id(self, node: RedisProcess) -> str:
        """How the cluster calls a node."""
        with node.client() as client:
            return str(client.execute_command("CLUSTER", "MYID").decode())


@contextmanager
def redis_cluster(folder: Path, primaries: int = 3, replica: bool = False, password: str = "data") -> Iterator[Cluster]:
    """A running cluster that calls a node down after a second."""
    with ExitStack() as ended:
        nodes = [_started(ended, _cluster_node(folder / f"node{one}", password)) for one in range(primaries + replica)]
        share = -(-_SLOTS // primaries)
        for index, node in enumerate(nodes):
            with node.client() as client:
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
                if index < primaries:
                    last = min((index + 1) * share, _SLOTS) - 1
                    client.execute_command("CLUSTER", "ADDSLOTSRANGE", index * share, last)
                for other in nodes[:index]:
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, _bus_port(other))
        cluster = Cluster(nodes[:primaries], nodes[-1] if replica else None)
        for node in nodes:
            with node.client() as client:
                wait_for(lambda client=client: _is_whole(client.execute_command("CLUSTER", "INFO"), len(nodes)))
        if cluster.replica:
            _follow(cluster.replica, cluster.node_id(cluster.primaries[0]))
        yield cluster


def _cluster_node(folder: Path, password: str) -> RedisProcess:
    options = {"cluster-enabled": "yes", "cluster-node-timeout": 1000, "cluster-port": free_port()}
    return RedisProcess(folder, password, options={**options, "masterauth": password})


def _bus_port(node: RedisProcess) -> int:
    with node.client() as client:
        return int(client.config_get("cluster-port")["cluster-port"])


def _is_whole(info: bytes, nodes: int) -> bool:
    lines = info.decode().splitlines()
    return "cluster_state:ok" in lines and f"cluster_known_nodes:{nodes}" in lines


def _follow(replica: RedisProcess, primary_id: str) -> None:
    with replica.client() as client:
        client.execute_command("CLUSTER", "REPLICATE", primary_id)
        wait_for(lambda: client.info("replication").get("master_link_status") == "up")


def _started(ended: ExitStack, server: RedisProcess) -> RedisProcess:
    ended.callback(server.stop)
    server.start()
    return server


def _hosts(servers: list[RedisProcess]) -> str:
    return ",".join(f"127.0.0.1:{server.port}" for server in servers)


def wait_for(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it holds; fail when it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.02)
