"""Which files the embedded store replaces, sets aside, or leaves alone."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ladybug
import pytest
from filelock import FileLock
from support.fixtures import file_size_limit, make_measures, make_run
from support.stores import spoil_version

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.embedded import file as ladybug_file
from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.runs.directory import RunDirectory

SPOILED: list[Callable[[Path], Any]] = [
    spoil_version,
    lambda path: path.write_bytes(b"hello"),
    lambda path: path.write_bytes(b""),
]


@pytest.mark.parametrize("spoil", SPOILED)
def test_rebuild_sets_an_unreadable_store_aside(
    path: Path, run: RunDirectory, spoil: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(path)
    before = path.read_bytes()
    with EmbeddedStore(path) as store:
        assert store.rebuild([run]) == []
        assert store.check([run]) == []
    aside = path.with_name("store.db.unreadable")
    assert aside.read_bytes() == before
    assert str(aside) in caplog.text


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_rebuild_that_fails_leaves_an_unreadable_store_where_it_is(
    path: Path, run: RunDirectory, spoil: Callable[[Path], Any]
) -> None:
    spoil(path)
    before = path.read_bytes()
    with (
        EmbeddedStore(path) as store,
        file_size_limit(100_000),
        pytest.raises(IpgraphError, match="it is as it was"),
    ):
        store.rebuild([run])
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.writing"}


def test_an_unreadable_store_is_set_aside_under_the_lock_only(
    path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladybug_file, "WAIT_SECONDS", 0.1)
    path.write_bytes(b"hello")
    with (
        FileLock(f"{path}.writing"),
        EmbeddedStore(path) as store,
        pytest.raises(IpgraphError, match="open for writing elsewhere"),
    ):
        store.rebuild([run])
    assert path.read_bytes() == b"hello"


def test_a_store_that_another_process_made_readable_meanwhile_is_kept(
    path: Path, loaded: Path, run: RunDirectory, other: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"hello")
    monkeypatch.setattr(ladybug_file, "_refuse_other_writer", lambda path: shutil.copy(loaded, path))
    with EmbeddedStore(path) as store:
        assert store.rebuild([other]) == [run.run]
        assert store.check([run, other]) == []
    assert not path.with_name("store.db.unreadable").exists()


def test_a_store_that_memory_does_not_suffice_to_read_is_not_set_aside(
    path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = ladybug.Database

    def opened(path: Path, **options: Any) -> ladybug.Database:
        if options["read_only"]:
            raise RuntimeError("Buffer manager exception: Mmap for size 4294967296 failed.")
        return database(path, **options)

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(ladybug, "Database", opened)
        with EmbeddedStore(path) as store, pytest.raises(IpgraphError, match="Mmap"):
            store.rebuild([])
    assert path.read_bytes() == before
    assert EmbeddedStore(path).runs() == [run.run]


def test_rebuild_leaves_alone_what_is_no_file(tmp_path: Path, run: RunDirectory) -> None:
    folder, pipe = tmp_path / "runs", tmp_path / "pipe"
    shutil.copytree(run.path, folder / run.id)
    os.mkfifo(pipe)
    for path, what in ((folder, "a folder"), (pipe, "not a regular file")):
        with pytest.raises(UsageError, match=f"{path} is {what}; a store is one file"):
            EmbeddedStore(path).rebuild([run])
    assert {file.name for file in tmp_path.iterdir()} == {"runs", "pipe"}
    assert RunDirectory.open(folder / run.id).run == run.run


@pytest.mark.parametrize("made", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, loaded: Path, run: RunDirectory, made: bool, root: Path) -> None:
    new = make_run(root, seed=1)
    real, link = tmp_path / "disk" / "store.db", tmp_path / "link.db"
    real.parent.mkdir()
    link.symlink_to(real)
    if made:
        shutil.copy(loaded, real)
    with EmbeddedStore(link) as store:
        assert store.add([new]) == 1
        store.add_measures(new.id, make_measures(new))
        assert {held.id for held in store.runs()} == {new.id, run.id} if made else {new.id}
        store.rebuild([new])
    assert link.readlink() == real
    assert {file.name for file in tmp_path.iterdir()} == {"disk", "link.db"}
    assert {file.name for file in real.parent.iterdir()} == {"store.db", "store.db.writing"}
    with EmbeddedStore(real) as store:
        assert store.check([new]) == []


def test_adding_what_is_there_does_not_touch_the_file(path: Path, root: Path) -> None:
    measured = make_run(root, seed=1)
    measured.write_measures(make_measures(measured))
    with EmbeddedStore(path) as store:
        store.add([measured])
        before = written(path)
        assert store.add([measured]) == 0
        store.add_measures(measured.id, make_measures(measured))
    assert written(path) == before


def written(path: Path) -> tuple[int, int, int]:
    """Return what tells whether a file was written or replaced; reading it changes other facts."""
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def test_a_store_made_anew_has_room_for_what_the_old_one_holds(
    path: Path, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(path, 5 << 30)
    rooms: list[int] = []
    database = ladybug.Database

    def opened(path: Path, **options: Any) -> ladybug.Database:
        rooms.append(options["max_db_size"])
        return database(path, **options)

    monkeypatch.setattr(ladybug, "Database", opened)
    with EmbeddedStore(path) as store:
        store.remove(run.id)
    assert min(rooms) > 5 << 30
