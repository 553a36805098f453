"""Files over SFTP, against a real server on loopback (asyncssh's, an implementation other than our client's)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from ingest import landing, probe
from ingest.collect import RunResult, sync
from ops import secrets
from ops.instance import Instance, InstanceConfig

PASSWORD = "s3cret of nobody"


class Server(asyncssh.SSHServer):
    """One user, by password or key."""

    key: asyncssh.SSHKey | None = None

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("reader", PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return Server.key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return Server.key is not None and key.public_data == Server.key.public_data


class Place:
    """The server's folder, its port and its public keys."""

    def __init__(self, folder: Path, port: int, keys: list[str]) -> None:
        self.folder, self.port, self.keys, self.key = folder, port, keys, keys[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("sftp")
    host_keys = [asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Any:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Server, server_host_keys=host_keys,
            sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=str(folder).encode()),
        )  # fmt: skip

    async def stop() -> None:
        listening.close()
        await listening.wait_closed()

    listening = _wait(asyncio.run_coroutine_threadsafe(start(), loop))
    keys = [" ".join(key.export_public_key().decode().split()[:2]) for key in host_keys]
    yield Place(folder, listening.get_port(), keys)
    _wait(asyncio.run_coroutine_threadsafe(stop(), loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _wait(future: Future[Any]) -> Any:
    return future.result(timeout=60)


class Box:
    """An instance that reads one folder of the server."""

    def __init__(self, home: Path, server: Place, **settings: Any) -> None:
        self.folder = server.folder / home.name / "in"
        self.folder.mkdir(parents=True)
        path = f"sftp://reader@127.0.0.1:{server.port}/{home.name}/in"
        given = {"path": path, "mapping": "x", "host_key": server.key, "password": "file:pw", "key": ["k"], **settings}
        source = {"name": "box", "connector": "files", "role": "files", "settings": given}
        self.instance = Instance.create(home / "i", InstanceConfig.model_validate({"source": [source]}))
        self.settings = self.instance.config.sources[0].settings
        secrets.write("pw", PASSWORD, self.instance.secrets)

    def sync(self) -> RunResult:
        """Collect."""
        (result,) = sync(self.instance, "box")
        return result


def test_files_over_sftp(tmp_path: Path, server: Place) -> None:
    box = Box(tmp_path, server)
    (box.folder / "1.csv").write_bytes("k,v\na,北辰\nb,2\n".encode("gb18030"))
    (box.folder / "below").mkdir()
    result = box.sync()
    assert (result.error, result.rows_landed) == (None, 2)
    (box.folder / "1.csv").rename(box.folder / "2.csv")
    result = box.sync()
    assert (result.error, result.warnings, result.rows_landed) == (None, [], 0)
    (box.folder / "2.csv").write_text("k,v\na,北辰\n")
    result = box.sync()
    assert (result.error, result.rows_landed, result.rows_deleted) == (None, 1, 1)
    assert box.sync().rows_received == 0, "a folder in which nothing changed is not copied"


def test_one_file_over_sftp(tmp_path: Path, server: Place) -> None:
    box = Box(tmp_path, server)
    (box.folder / "1.csv").write_text("k,v\na,1\n")
    (box.folder / "2.csv").write_text("k,v\nb,1\n")
    box.settings["path"] += "/2.csv"
    assert box.sync().rows_landed == 1


def test_a_file_that_grows_while_it_is_copied_waits(
    tmp_path: Path, server: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import remote_folders

    box = Box(tmp_path, server, delivery="partial")
    path = box.folder / "1.csv"
    path.write_text("k,v\na,1\n")
    fetch = remote_folders.Sftp.fetch

    def growing(self: remote_folders.Sftp, name: str, place: Path) -> Path:
        copy = fetch(self, name, place)
        with path.open("a") as file:
            file.write("b,1\n")
        return copy

    monkeypatch.setattr(remote_folders.Sftp, "fetch", growing)
    result = box.sync()
    assert (result.error, result.rows_landed) == (None, 0)
    assert "it changed while it was read" in result.warnings[0]
    monkeypatch.undo()
    assert box.sync().rows_landed == 2


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_a_private_key(tmp_path: Path, server: Place, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = asyncssh.generate_private_key(kind)
    monkeypatch.setattr(Server, "key", key)
    phrase = "words of nobody" if kind == "ssh-ed25519" else ""
    box = Box(tmp_path, server, private_key="file:key", **({"passphrase": "file:phrase"} if phrase else {}))
    text = key.export_private_key("openssh", passphrase=phrase or None, rounds=50).decode()
    secrets.write("key", text, box.instance.secrets)
    secrets.write("phrase", phrase, box.instance.secrets)
    (box.folder / "1.csv").write_text("k,v\na,1\n")
    result = box.sync()
    assert (result.error, result.rows_landed) == (None, 1)
    if phrase:
        secrets.write("phrase", "wrong", box.instance.secrets)
        assert "`private_key` cannot be read" in str(box.sync().error)
    monkeypatch.setattr(Server, "key", asyncssh.generate_private_key("ssh-ed25519"))
    secrets.write("phrase", phrase, box.instance.secrets)
    assert "refuses reader" in str(box.sync().error)


def test_a_server_whose_key_is_not_known_is_not_spoken_to(tmp_path: Path, server: Place) -> None:
    """The password would go to whoever answers."""
    box = Box(tmp_path, server, host_key="")
    result = box.sync()
    assert "is not known: `host_key` is empty" in str(result.error)
    assert any(key in str(result.remedy) for key in server.keys)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()
    box.settings["host_key"] = " ".join(other[:2])
    assert "is not the one in `host_key`" in str(box.sync().error)
    assert landing.runs(box.instance.landing, "box", "rows") == []


def test_each_of_the_server_s_keys_is_one_to_know_it_by(tmp_path: Path, server: Place) -> None:
    box = Box(tmp_path, server)
    (box.folder / "1.csv").write_text("k,v\na,1\n")
    for key in server.keys:
        box.settings["host_key"] = key + " comment"
        assert box.sync().error is None


def test_what_is_wrong_is_told(tmp_path: Path, server: Place) -> None:
    box = Box(tmp_path, server)
    path = box.settings["path"]
    box.settings["path"] = path.replace("/in", "/out")
    assert "does not exist" in str(box.sync().error)
    box.settings["path"] = path
    assert "holds no file that can be read" in str(box.sync().error)
    secrets.write("pw", "never this", box.instance.secrets)
    result = box.sync()
    assert "refuses reader" in str(result.error)
    assert "never this" not in str(result.error)
    (tried,) = probe.probe(box.instance, "box")
    assert (tried.state, str(tried.message)[:8]) == ("failed", "sign-in:")
    box.settings["path"] = path.replace(f":{server.port}", ":1")
    assert "check host, port and the network" in str(box.sync().remedy)
    box.settings["path"] = path.replace("reader@", "reader:pw@")
    assert "`path` holds a password" in str(box.sync().error)
    box.settings["path"] = "ftp://x/y"
    assert "valid: a path, sftp://…, s3://…" in str(box.sync().error)


def test_a_demo_instance_speaks_to_this_machine_only(tmp_path: Path, server: Place) -> None:
    box = Box(tmp_path, server)
    box.instance.config.mode = "demo"
    for path in ("sftp://reader@192.0.2.1/in", "s3://bucket/in"):
        box.settings["path"] = path
        assert "a demo instance does not speak to" in str(box.sync().error)
