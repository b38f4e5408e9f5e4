"""Metrics of several processes, told as one: real processes, killed for real."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.instruments import MOST_SERIES, Instruments, Metric
from serving.value_files import remove_dead

METRICS = (
    Metric("asked_total", "counter", "Asked.", ("outcome",)),
    Metric("took_seconds", "histogram", "Took.", ("stage",), (0.1, 1.0)),
    Metric("running", "gauge", "Running."),
    Metric("model_info", "info", "Model.", ("version",)),
)
CHILD = """
import sys, time
from pathlib import Path
from prometheus_client import CollectorRegistry
sys.path.insert(0, sys.argv[2])
from test_instruments import METRICS
from serving.instruments import Instruments
own = Instruments(METRICS, CollectorRegistry(), Path(sys.argv[1]))
own.cell("asked_total", "ok").add(3)
own.cell("running").add(2)
own.cell("model_info", "7").set(1)
own.distribution("took_seconds", "read").observe(0.5)
print("counted", flush=True)
time.sleep(600)
"""


@pytest.fixture
def instruments(tmp_path):
    made = []

    def make(folder=tmp_path, metrics=METRICS):
        made.append(Instruments(metrics, CollectorRegistry(), folder))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def child(tmp_path):
    processes = []

    def start():
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(__file__).rpartition("/")[0]]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout.readline() == "counted\n"
        return processes[-1]

    yield start
    for process in processes:
        end(process)


def end(process):
    process.kill()
    process.wait(10)
    process.stdout.close()


def told(instruments):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in instruments.collect()
        for sample in family.samples
    }


def test_every_process_tells_the_sum_of_all(instruments, child):
    one, other = instruments(), instruments()
    child()
    one.cell("asked_total", "ok").add()
    other.cell("asked_total", "ok").add()
    other.cell("asked_total", "refused").add()
    one.cell("model_info", "7").set(0)
    one.distribution("took_seconds", "read").observe(0.05)
    other.distribution("took_seconds", "read").observe(9.0)
    assert told(one) == told(other)
    assert told(one)["asked_total", "ok"] == 5
    assert told(one)["asked_total", "refused"] == 1
    assert told(one)["running",] == 2
    assert told(one)["model_info", "7"] == 1
    buckets = [told(one)["took_seconds_bucket", "read", bound] for bound in ("0.1", "1.0", "+Inf")]
    assert (buckets, told(one)["took_seconds_count", "read"], told(one)["took_seconds_sum", "read"]) == (
        [1, 2, 3],
        3,
        9.55,
    )


def test_a_killed_process_keeps_its_counts_and_loses_its_gauges(instruments, child):
    one = instruments()
    end(child())
    found = told(one)
    assert found["asked_total", "ok"] == 3
    assert found["took_seconds_count", "read"] == 1
    assert ("running",) not in found
    assert ("model_info", "7") not in found


def test_a_new_process_goes_on_where_a_dead_one_ended(instruments, child, tmp_path):
    one = instruments()
    for _ in range(4):
        end(child())
    assert told(one)["asked_total", "ok"] == 12
    assert len([*tmp_path.glob("*.values")]) == 2
    child()
    assert (told(one)["asked_total", "ok"], told(one)["running",]) == (15, 2)


def test_a_closed_process_counts_no_more_and_leaves_what_it_counted(instruments):
    one, other = instruments(), instruments()
    cell = other.cell("asked_total", "ok")
    cell.add()
    other.cell("running").set(1)
    other.close()
    cell.add()
    other.cell("asked_total", "new").add()
    assert {key: value for key, value in told(one).items() if value} == {("asked_total", "ok"): 1}


def test_a_service_that_starts_removes_the_files_of_the_dead_only(instruments, child, tmp_path):
    one = instruments()
    one.cell("asked_total", "ok").add()
    end(child())
    instruments(metrics=METRICS[:1]).close()
    assert len([*tmp_path.glob("*.values")]) == 3
    remove_dead(tmp_path)
    assert len([*tmp_path.glob("*.values")]) == 1
    assert told(one)["asked_total", "ok"] == 1


def test_processes_of_another_schema_keep_apart(instruments):
    one, other = instruments(), instruments(metrics=METRICS[:1])
    other.cell("asked_total", "ok").add()
    assert ("asked_total", "ok") not in told(one)


def test_label_values_without_end_are_counted_together(instruments):
    one = instruments(folder=None)
    for number in range(MOST_SERIES + 50):
        one.cell("asked_total", f"outcome-{number}").add()
    found = {key: value for key, value in told(one).items() if key[0] == "asked_total"}
    assert len(found) == MOST_SERIES + 1
    assert found["asked_total", "other"] == 50


def test_threads_lose_nothing(instruments):
    one = instruments()

    def count():
        for _ in range(2_000):
            one.cell("asked_total", "ok").add()
            one.distribution("took_seconds", "read").observe(0.5)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (told(one)["asked_total", "ok"], told(one)["took_seconds_sum", "read"]) == (8_000, 4_000)


def test_a_file_in_the_making_is_left_out(instruments, tmp_path):
    one = instruments()
    one.cell("running").set(1)
    name = next(tmp_path.glob("*.values")).name
    (tmp_path / f"{name.partition('-')[0]}-new.values").touch()
    assert told(one)["running",] == 1


def test_another_librarys_folder_changes_nothing(instruments, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "elsewhere"))
    one, other = instruments(folder=None), instruments(folder=None)
    one.cell("asked_total", "ok").add()
    assert told(other) == {}
    assert not (tmp_path / "elsewhere").exists()


@given(st.lists(st.floats(-1, 5) | st.sampled_from([0.1, 1.0]), max_size=30))
def test_a_histogram_equals_prometheus_own(values):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Instruments(METRICS[1:2], ours).distribution("took_seconds", "read")
    reference = Histogram("took_seconds", "Took.", ("stage",), buckets=(0.1, 1.0), registry=theirs).labels("read")
    for value in values:
        distribution.observe(value)
        reference.observe(value)
    assert _samples(ours) == _samples(theirs)


def _samples(registry):
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
