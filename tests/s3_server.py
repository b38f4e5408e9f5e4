"""A real S3 server for tests, and what its clients need to know."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

BUCKET = "features"


@contextmanager
def s3_server(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on 127.0.0.1 with an empty bucket; credentials are in the environment meanwhile."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**credentials, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        patch.setenv(name, value)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = fs.S3FileSystem(endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True)
        client.create_dir(BUCKET)
        yield f"http://{host}:{port}"
    finally:
        server.stop()
