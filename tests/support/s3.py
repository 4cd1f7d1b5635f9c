"""An S3 server for tests (moto), empty however many others this process had before it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

KEY, SECRET, REGION = "AKIDEXAMPLE", "secret/with+signs=", "eu-central-1"


def s3_client(endpoint: str) -> Any:
    import boto3  # slow to import, and few tests need it

    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": REGION}
    return boto3.client("s3", endpoint_url=endpoint, **keys)


def make_bucket(endpoint: str, name: str) -> None:
    s3_client(endpoint).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})


@contextmanager
def running_s3() -> Iterator[tuple[str, int]]:
    """Host and port. What moto keeps belongs to the process, not to its server: it is forgotten before and after."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        _forget_all(host, port)
        yield host, port
        _forget_all(host, port)
    finally:
        server.stop()


def _forget_all(host: str, port: int) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request("POST", "/moto-api/reset")
    assert connection.getresponse().status == 200
    connection.close()
