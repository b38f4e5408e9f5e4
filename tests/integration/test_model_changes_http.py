"""Model changes and killed replicas of the service as users get it: two replicas on Ray Serve behind HAProxy."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis_servers import free_port, redis_server
from serving_service import CLIENTS, Service
from serving_world import FIRST_CLIENT, MODEL, PROJECT

from credit.bundle.keys import load_public_key
from credit.bundle.reader import load_bundle
from credit.schemas.decision import DecisionRecord, decision_stream_key
from training.governance.champion_move import move_champion
from training.governance.records import Attempt
from training.registry import Registry

SWAPS = 100
#: Answers of each version, at the least, of which a test says that none was wrong.
ANSWERS = 300
IDS = range(FIRST_CLIENT, FIRST_CLIENT + CLIENTS)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # MLflow maps its tables with an option that SQLAlchemy wants to remove.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning:mlflow"),
]


class TwoReplicas(Service):
    """A service of two replicas with two versions, whose limits are wide: here nothing is about time."""

    def environment(self) -> dict[str, str]:
        seconds = ("CONNECT_TIMEOUT", "READ_TIMEOUT", "REQUEST_TIMEOUT", "BATCH_TIMEOUT")
        return super().environment() | {"SERVING_REPLICAS": "2"} | {f"SERVING_{name}_SECONDS": "20" for name in seconds}

    def creditctl(self, *arguments: str) -> None:
        settings = {
            "TRAINING_MLFLOW_TRACKING_URI": self.world.registry.uri,
            "TRAINING_PUBLIC_KEY": str(self.world.public_key),
        }
        environment = self.environment() | settings
        subprocess.run([sys.executable, "-m", "credit", *arguments], env=environment, check=True)

    def move(self, version: str, champion: str) -> None:
        """Move the alias, on record as every promotion is."""
        attempt = Attempt(
            action="forced", from_version=champion, to_version=version, who="ada", why="a test", verdict="not judged"
        )
        move_champion(Registry(self.world.registry.uri, MODEL), attempt)

    def refreshed(self) -> dict:
        """Have one replica look now."""
        deadline = time.monotonic() + 60
        while (answer := self.http.post("/v1/models/refresh")).status_code != 200:
            # SQLite may be locked for a moment: two replicas and the test use it.
            assert answer.json()["code"] == "registry", answer.text
            assert time.monotonic() < deadline
        return answer.json()

    def replicas(self) -> set[int]:
        """Process ids."""
        return {each for each in descendants(self.process.pid) if b"ServeReplica" in command(each)}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changes")
    with redis_server(folder / "redis") as redis:
        running = TwoReplicas(folder / "service", redis, free_port())
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def versions(service):
    return service.version, service.world.registry.register(service.world.bundle(1), champion=False)


@pytest.fixture(scope="module")
def expected(service, versions):
    """By version and client, the probability that the version's bundle gives."""
    key = load_public_key(service.world.public_key)
    bundles = {version: load_bundle(service.world.bundle(seed), key) for seed, version in enumerate(versions)}
    return {
        version: dict(zip(IDS, bundle.predict(bundle.matrix(service.views)).probability.tolist(), strict=True))
        for version, bundle in bundles.items()
    }


@dataclass
class Asked:
    """What one thread got: decisions by answer, and whatever was no answer."""

    answers: list[list[dict]]
    failures: list[str]


class Load:
    """Threads that ask without pause while the block runs: single scores, and batches of three chunks."""

    def __init__(self, url: str, singles: int, batches: int) -> None:
        self._url = url
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(singles + batches)
        self._kinds = [self._single] * singles + [self._batch] * batches
        self._asking: list = []

    def __enter__(self):
        self._asking = [self._pool.submit(self._ask, kind, seed) for seed, kind in enumerate(self._kinds)]
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._pool.shutdown()

    @property
    def answers(self) -> list[list[dict]]:
        return [answer for one in self._asking for answer in one.result().answers]

    @property
    def failures(self) -> list[str]:
        return [failure for one in self._asking for failure in one.result().failures]

    def _ask(self, kind, seed: int) -> Asked:
        chance, asked = random.Random(seed), Asked([], [])
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self._stop.is_set():
                try:
                    answer = kind(http, chance)
                except httpx.HTTPError as error:
                    asked.failures.append(repr(error))
                    continue
                if answer.status_code != 200:
                    asked.failures.append(f"{answer.status_code} {answer.text[:200]}")
                    continue
                asked.answers.append(decisions_of(answer.json(), asked.failures))
        return asked

    @staticmethod
    def _single(http: httpx.Client, chance: random.Random) -> httpx.Response:
        body = {"client_id": chance.choice(IDS), "reasons": chance.random() < 0.5}
        return http.post("/v1/score", json=body)

    @staticmethod
    def _batch(http: httpx.Client, chance: random.Random) -> httpx.Response:
        items = [{"client_id": client_id, "reasons": False} for client_id in chance.choices(IDS, k=60)]
        return http.post("/v1/score/batch", json={"items": items})


def decisions_of(body: dict, failures: list[str]) -> list[dict]:
    """The decisions of one answer; problems of a batch's items are failures."""
    items = [{"result": body}] if "decision_id" in body else body["items"]
    failures += [str(item["problem"]) for item in items if item["result"] is None]
    return [item["result"] for item in items if item["result"] is not None]


def test_a_hundred_swaps_and_rollbacks_fail_nothing_and_mix_nothing(service, versions, expected):
    champion = versions[0]
    changed = 0
    with Load(service.url, singles=3, batches=1) as load:
        for swap in range(SWAPS):
            wanted = versions[(swap + 1) % 2]
            if swap % 25 == 1:  # by the command that people use; it goes back to the version before
                service.creditctl("models", "rollback", "--why", "a test")
            else:
                service.move(wanted, champion)
            champion = wanted
            told = service.refreshed()
            assert told["champion"]["version"] == wanted
            changed += told["changed"]
    answers = load.answers
    assert load.failures == []
    assert all(len({each["model"]["version"] for each in together}) == 1 for together in answers)
    wrong = [
        each
        for together in answers
        for each in together
        if each["probability"] != expected[each["model"]["version"]][each["client_id"]]
    ]
    assert wrong == []
    counts = Counter(together[0]["model"]["version"] for together in answers)
    assert set(counts) == set(versions)
    assert min(counts.values()) >= ANSWERS, counts
    batches = Counter(together[0]["model"]["version"] for together in answers if len(together) == 60)
    assert set(batches) == set(versions)
    # The replica that looked had often seen the move by itself just before; that counts as a swap all the same.
    assert changed >= SWAPS / 4


def test_a_killed_replica_loses_no_acknowledged_decision_and_comes_back(service, versions):
    before = service.replicas()
    assert len(before) == 2
    killed = set()
    with Load(service.url, singles=3, batches=1) as load:
        for _ in range(2):
            time.sleep(2)
            victim = min(service.replicas() - killed)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
            eventually(lambda: len(service.replicas() - killed) == 2)
            eventually(lambda: all_answer(service, 20))
    recorded = records_of(service)
    acknowledged = {each["decision_id"]: each for together in load.answers for each in together}
    assert len(acknowledged) >= ANSWERS
    assert acknowledged.keys() <= recorded.keys()
    assert all(recorded[each].probability == answer["probability"] for each, answer in acknowledged.items())
    assert service.process.poll() is None


def records_of(service) -> dict[str, DecisionRecord]:
    with service.redis.client() as client:
        entries = client.xrange(decision_stream_key(PROJECT))
    records = [DecisionRecord.model_validate_json(fields[b"record"]) for _, fields in entries]
    return {record.decision_id: record for record in records}


def all_answer(service, times: int) -> bool:
    try:
        return all(service.score({"client_id": FIRST_CLIENT}).status_code == 200 for _ in range(times))
    except httpx.HTTPError:
        return False


def eventually(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def command(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(process_id: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        try:
            children += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return children + [deeper for child in children for deeper in descendants(child)]
