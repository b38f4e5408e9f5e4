import socket

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


def test_logs_are_kept_after_a_failure(tmp_path):
    logs = tmp_path / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.err").write_text("why")
    assert str(tmp_path / "run" / "ray") in local_ray._keep_logs(tmp_path, tmp_path / "run")
    assert (tmp_path / "run" / "ray" / "raylet.err").read_text() == "why"
    assert local_ray._keep_logs(tmp_path, None) == ""
