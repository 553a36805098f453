"""An S3 server (moto), as a source of files: everything is kept in its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import obstore
from obstore.store import S3Store

from realsystems.environments import environment, ordinary
from realsystems.processes import free_port, server


@dataclass(frozen=True)
class S3Server:
    """A running server; what a test puts into it goes through its own HTTP interface."""

    url: str

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        httpx.put(f"{self.url}/{name}", timeout=60).raise_for_status()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object."""
        obstore.put(self._store(bucket), key, data)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object."""
        obstore.delete(self._store(bucket), key)

    def _store(self, bucket: str) -> S3Store:
        return S3Store(
            bucket, endpoint=self.url, region="us-east-1", access_key_id="owner", secret_access_key="of-nobody",
            client_options={"allow_http": True},
        )  # fmt: skip


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """A fresh, empty server."""
    user = ordinary()
    tools = environment("s3", (3, 9), user)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(tools / "python"), str(tools / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with server(command, url, folder / "s3.log", user=user, env={"HOME": str(folder)}, cwd=Path("/")):
        yield S3Server(url)
