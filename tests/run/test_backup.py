"""Backup and restore: consistent while collecting goes on, verified to the byte, all or nothing."""

from __future__ import annotations

import io
import json
import random
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest import compacting, landing
from model import build, publish
from ops import secrets, tables
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import LeaseHeld, lease
from ops.store import stamp
from run import archive, backup
from tests.run import books
from tests.warehouse import helpers

INVOICES = "select number, customer_key, gross_amount from core.fct_invoice order by number"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Collected, built and published; with a note, a secret and a running lease in it. Tests do not change it."""
    made = books.built(tmp_path_factory.mktemp("original"))
    secrets.write("token", "s3cr3t-value", made.secrets)
    note = {"anchor": "books:K1", "kind": "note", "body": "called", "made_by": "x", "made_at": stamp()}
    with made.store.begin() as connection:
        connection.execute(tables.notes.insert().values(**note))
    (made.config_dir / "conform").mkdir(parents=True)
    (made.config_dir / "conform" / "books.toml").write_text("", encoding="utf-8")
    return made


def only(inst: Instance, table: object) -> list[dict[str, object]]:
    with inst.store.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["b", "b.tar", "b.tar.gz"])
def test_what_was_served_is_served_again_and_a_full_build_makes_the_same(
    original: Instance, tmp_path: Path, name: str
) -> None:
    with lease(original.store, "source:books"):
        made = backup.back_up(original, tmp_path / name)
    assert made.runs == 2
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0
    done = backup.restore(tmp_path / name, tmp_path / "new")
    assert done.build == publish.current(original).version
    assert not done.has_warehouse
    copy = Instance.load(tmp_path / "new")
    assert helpers.rows(copy, INVOICES) == helpers.rows(original, INVOICES)
    for table in (tables.registry, tables.runs, tables.cursors, tables.notes):
        assert only(copy, table) == only(original, table)
    assert only(copy, tables.leases) == [], "a lease belongs to a process of the instance it was taken in"
    assert (copy.config_dir / "conform" / "books.toml").is_file()
    assert list(copy.secrets.iterdir()) == []
    if name == "b.tar.gz":
        build.build(copy, full=True)
        assert helpers.everything(copy) == helpers.everything(original)
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_packed_landing_is_backed_up_and_nothing_leaves_meanwhile(tmp_path: Path) -> None:
    books.write(tmp_path / "files")
    made = books.instance(tmp_path / "i", tmp_path / "files")
    books.sync(made)
    compacting.compact(made, "books", at_least=1)
    books.write(tmp_path / "files", amount=200)
    books.sync(made)
    before = _landed(made)
    with lease(made.store, compacting.LEASE):
        assert not all(one.is_tidy for one in compacting.compact(made, "books"))
        with pytest.raises(LeaseHeld):
            backup.back_up(made, tmp_path / "late.tar", wait_s=0.0)
    told = backup.back_up(made, tmp_path / "b")
    backup.restore(tmp_path / "b", tmp_path / "new")
    copy = Instance.load(tmp_path / "new")
    assert _landed(copy) == before
    assert told.runs == len({row[4] for row in before})
    packed = sorted(path.relative_to(copy.landing).as_posix() for path in copy.landing.glob("*/*/pack-*"))
    assert packed == ["books/customer/pack-000000.parquet", "books/invoice/pack-000001.parquet"]
    assert not list(copy.landing.rglob("part-*")), "what has been packed is copied once"


def _landed(inst: Instance) -> list[tuple[object, ...]]:
    streams = landing.streams(inst.landing, "books")
    return [row for name in streams for frame in landing.read(inst.landing, "books", name) for row in frame.rows()]


def test_secrets_and_warehouse_only_on_request(original: Instance, tmp_path: Path) -> None:
    backup.back_up(original, tmp_path / "b.tar", with_secrets=True, with_warehouse=True)
    done = backup.restore(tmp_path / "b.tar", tmp_path / "new")
    assert done.has_warehouse
    assert stat.S_IMODE((done.home / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((done.home / "secrets" / "token").stat().st_mode) == 0o600
    assert secrets.resolve("file:token", done.home / "secrets") == "s3cr3t-value"
    copy = Instance.load(done.home)
    assert helpers.everything(copy) == helpers.everything(original)
    books.sync(copy)
    build.build(copy)
    assert helpers.rows(copy, INVOICES) == helpers.rows(original, INVOICES)


def test_missing_secrets_are_named(tmp_path: Path) -> None:
    inst = books.instance(tmp_path / "i", tmp_path, mail={"host": "mail.example", "user": "x", "password": "file:smtp"})
    backup.back_up(inst, tmp_path / "b")
    assert backup.restore(tmp_path / "b", tmp_path / "new").missing_secrets == ["smtp"]


def test_a_backup_during_a_collection_holds_together(tmp_path: Path) -> None:
    inst = books.built(tmp_path)
    stop, collected = threading.Event(), threading.Event()

    def collect() -> None:
        amount = 1
        while not stop.is_set():
            amount += 1
            books.write(tmp_path / "files", amount)
            books.sync(inst)
            collected.set()

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        assert collected.wait(60), "nothing was collected"
        backup.back_up(inst, tmp_path / "b.tar")
    finally:
        stop.set()
        thread.join()
    copy = Instance.load(backup.restore(tmp_path / "b.tar", tmp_path / "new").home)
    for row in only(copy, tables.cursors):
        source, stream = str(row["source"]), str(row["stream"])
        assert row["run_id"] in {"", *landing.runs(copy.landing, source, stream)}, "a cursor ahead of its landing"
        if stream in {"customer", "invoice"}:
            assert sum(frame.height for frame in landing.read(copy.landing, source, stream)) > 0
    for one in (copy, inst):
        books.sync(one)
        build.build(one, full=True)
    assert helpers.rows(copy, INVOICES) == helpers.rows(inst, INVOICES)


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))


def _repack(source: Path, target: Path, name: str, data: bytes) -> None:
    """The archive with one file more, before the manifest."""
    extra = tarfile.TarInfo(name)
    extra.size = len(data)
    with tarfile.open(source) as read, tarfile.open(target, "w") as write:
        write.addfile(extra, io.BytesIO(data))
        for member in read.getmembers():
            write.addfile(member, read.extractfile(member))


@pytest.fixture(scope="module")
def archives(original: Instance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same backup in each form."""
    place = tmp_path_factory.mktemp("archives")
    for name in ("b", "b.tar", "b.tar.gz"):
        backup.back_up(original, place / name)
    return place


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz", "b"])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_one_changed_byte_is_refused(archives: Path, tmp_path: Path, name: str, where: float) -> None:
    if name == "b":
        shutil.copytree(archives / name, tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        hurt = files[int(len(files) * where)]
    else:
        hurt = Path(shutil.copy(archives / name, tmp_path / name))
    _flip(hurt, int(hurt.stat().st_size * where))
    with pytest.raises(archive.Damaged) as error:
        backup.restore(tmp_path / name, tmp_path / "new")
    assert "use another backup" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing may be left"


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.97])
def test_a_truncated_archive_is_refused(archives: Path, tmp_path: Path, name: str, keep: float) -> None:
    data = (archives / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(archive.Damaged):
        backup.restore(tmp_path / name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_strange_archives_are_refused(archives: Path, tmp_path: Path) -> None:
    for name in ("../outside", "/tmp/outside", "landing/../../outside"):
        _repack(archives / "b.tar", tmp_path / "x.tar", name, b"x")
        with pytest.raises(archive.Damaged, match="outside of the instance"):
            backup.restore(tmp_path / "x.tar", tmp_path / "new")
    _repack(archives / "b.tar", tmp_path / "x.tar", "config/added.toml", b"x")
    with pytest.raises(archive.Damaged, match="does not list"):
        backup.restore(tmp_path / "x.tar", tmp_path / "new")
    shutil.copytree(archives / "b", tmp_path / "b")
    (tmp_path / "b" / "ops.db").unlink()
    with pytest.raises(archive.Damaged, match=r"lacks ops\.db"):
        backup.restore(tmp_path / "b", tmp_path / "new")
    (tmp_path / "b" / "ops.db").symlink_to("/etc/passwd")
    with pytest.raises(archive.Damaged, match="no plain file"):
        backup.restore(tmp_path / "b", tmp_path / "new")
    manifest = json.loads((archives / "b" / "backup.json").read_text())
    manifest["files"] = manifest["files"][1:]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "backup.json").write_text(json.dumps(manifest))
    with pytest.raises(archive.Damaged, match="was changed"):
        backup.restore(tmp_path / "m", tmp_path / "new")
    with pytest.raises(FatalError, match="there is no backup"):
        backup.restore(tmp_path / "nothing", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(original: Instance, archives: Path, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="exists already"):
        backup.back_up(original, archives / "b.tar")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x").touch()
    with pytest.raises(FatalError, match="is not empty"):
        backup.restore(archives / "b.tar", tmp_path / "new")
    (tmp_path / "new" / "x").unlink()
    assert backup.restore(archives / "b.tar", tmp_path / "new").build, "an empty folder is fine"


def test_a_running_build_is_waited_for(original: Instance, tmp_path: Path) -> None:
    with lease(original.store, build.LEASE), pytest.raises(LeaseHeld):
        backup.back_up(original, tmp_path / "b", wait_s=0.1)
    assert list(tmp_path.iterdir()) == []


def _started(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "run.cli", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_kill_at_any_time_leaves_all_or_nothing(
    original: Instance, archives: Path, tmp_path: Path, what: str
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    target = tmp_path / ("new" if what == "restore" else "k.tar")
    home = original.home if what == "backup" else target
    arguments = ["--home", str(home), what, str(target if what == "backup" else archives / "b.tar.gz")]
    whole = [path.relative_to(archives / "b") for path in (archives / "b").rglob("*") if path.is_file()]
    killed = turn = 0
    # on a loaded machine the work may be over before this process comes to kill it
    while turn < 6 or (not killed and turn < 40):
        turn += 1
        process = _started(*arguments)
        work = tmp_path / (".new.restoring" if what == "restore" else ".k.tar.part")
        end = time.monotonic() + 60
        while not work.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        # the moment of the kill is what is random: somewhere in the work that has just begun
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if not target.exists():
            continue
        if what == "backup":
            archive.unpack(target, tmp_path / "check")
            shutil.rmtree(tmp_path / "check")
            target.unlink()
        else:
            assert {path.name for path in whole if not (target / path).is_file()} <= {"backup.json"}
            shutil.rmtree(target)
    assert killed
    assert _started(*arguments).wait() == 0
    assert target.exists()
