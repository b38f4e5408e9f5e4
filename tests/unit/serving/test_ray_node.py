import os
import subprocess
import sys

from serving.ray_node import end_processes_of, ray_environment, set_environment


def test_rays_switches_are_defaults_that_the_user_may_set(monkeypatch, tmp_path):
    defaults = ray_environment(tmp_path)
    for name in defaults:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    set_environment(defaults)
    assert os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_every_port_is_another_and_every_token_too(tmp_path):
    first, second = ray_environment(tmp_path), ray_environment(tmp_path)
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
        end_processes_of(str(tmp_path))
        assert ours.wait(5) != 0
        assert by_environment.wait(5) != 0
        assert other.poll() is None
    finally:
        for process in (ours, by_environment, other):
            process.kill()
            process.wait(5)
