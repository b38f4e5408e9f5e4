"""`creditctl features ui`: Feast's pages from its wheel, over a real registry."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest
from feast_registry import register
from redis_servers import free_port

from credit.platform import Home
from feature_repo.catalogue import load_catalogue

# Feast's server starts in some ten seconds.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:feast")]


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def wait_for_the_page(port: int, server: subprocess.Popen[str]) -> str:
    deadline = time.monotonic() + 120
    while True:
        try:
            return get(port, "/")
        except (URLError, ConnectionError):
            assert server.poll() is None, server.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_the_pages_show_the_registered_views_until_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, port = Home(tmp_path), free_port()
    monkeypatch.setenv("FEATURES_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    register(home)
    command = [sys.executable, "-m", "credit", "features", "ui", "--port", str(port), "--home", str(tmp_path)]
    with subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE, text=True) as server:
        try:
            page = wait_for_the_page(port, server)
            script = page.partition('src="')[2].partition('"')[0]
            assert script.startswith("/")
            assert get(port, script)
            views = json.loads(get(port, "/api/v1/feature_views?project=credit_scoring"))["featureViews"]
            names = {view["spec"]["name"] for view in views if view["type"] == "featureView"}
            assert names == set(load_catalogue().names)
            assert subprocess.run(command, env=dict(os.environ), capture_output=True, check=False).returncode == 1
            server.send_signal(signal.SIGINT)
            _, said = server.communicate(timeout=60)
        finally:
            server.kill()
    assert server.returncode == 0
    assert f"http://127.0.0.1:{port}" in said
