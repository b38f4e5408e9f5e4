import os
import socket
import subprocess
import sys

import pytest

from credit.errors import StepError
from serving import local_ray


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_told(host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StepError, match=str(port)):
            local_ray.check_port_free(host, port)
    local_ray.check_port_free(host, port)


def test_rays_switches_are_defaults_that_the_user_may_set(monkeypatch, tmp_path):
    defaults = local_ray._environment(tmp_path)
    for name in defaults:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    local_ray._set_environment(defaults)
    assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_every_port_is_another_and_every_token_too(tmp_path):
    first, second = local_ray._environment(tmp_path), local_ray._environment(tmp_path)
    ports = [value for name, value in first.items() if name.endswith("_PORT")]
    assert len(set(ports)) == len(ports) == 3
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]


def test_rays_socket_paths_are_short_enough():
    """Unix socket paths hold 107 bytes; HAProxy's lie below a node id of 56 characters."""
    path = "/tmp/credit-serve-12345678/p/" + "n" * 56 + "/metrics.sock"
    assert len(path) <= 107


def test_what_remains_of_our_processes_is_ended_and_nothing_else(tmp_path):
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = subprocess.Popen([*sleep, str(tmp_path)])
    by_environment = subprocess.Popen(sleep, env=os.environ | {"SOCKET": f"{tmp_path}/admin.sock"})
    other = subprocess.Popen(sleep)
    try:
        local_ray._end_remaining(str(tmp_path))
        assert ours.wait(5) != 0
        assert by_environment.wait(5) != 0
        assert other.poll() is None
    finally:
        for process in (ours, by_environment, other):
            process.kill()
            process.wait(5)


def test_logs_are_kept_after_a_failure(tmp_path):
    logs = tmp_path / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.err").write_text("why")
    assert str(tmp_path / "run" / "ray") in local_ray._keep_logs(tmp_path, tmp_path / "run")
    assert (tmp_path / "run" / "ray" / "raylet.err").read_text() == "why"
    assert local_ray._keep_logs(tmp_path, None) == ""
