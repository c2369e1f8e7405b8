"""What dead processes and other programs leave: staging folders, write-ahead logs, damaged files."""

import os
import time
from pathlib import Path

import pytest

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.common.files import staging_folder
from ipgraph.graphstore.common.text import printable, shown_address
from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.queries.language.values import ValueMismatchError, convert, literal, plain


def age(folder: Path) -> None:
    long_ago = time.time() - 3600
    os.utime(folder, (long_ago, long_ago))


def test_staging_folders_of_dead_processes_go_and_those_of_live_ones_stay(tmp_path: Path) -> None:
    dead, others = tmp_path / "mine-dead", tmp_path / "mine-theirs"
    for folder in (dead, others):
        (folder / "content").mkdir(parents=True)
    (dead / ".lock").touch()
    with staging_folder("mine-", tmp_path) as live:
        for folder in (dead, others, live.parent):
            age(folder)
        with staging_folder("mine-", tmp_path):
            assert live.is_dir()
            assert others.is_dir()  # it has no lock: it is not ours
            assert not dead.exists()
    assert not live.exists()


def test_opening_a_store_removes_half_built_copies(path: Path) -> None:
    half = path.with_name(f".{path.name}.x.building")
    half.mkdir()
    EmbeddedStore(path).close()
    assert not half.exists()


@pytest.mark.parametrize("end", [".wal", ".shadow"])
def test_no_store_is_made_beside_the_leftovers_of_another(
    tmp_path: Path, run: RunDirectory, end: str
) -> None:
    (tmp_path / f"s.db{end}").write_bytes(b"x")
    with EmbeddedStore(tmp_path / "s.db") as store, pytest.raises(IpgraphError, match=f"s.db{end} is left"):
        store.add([run])
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize("damage", ["cut to a page", "cut in half", "garbage"])
def test_a_damaged_store_names_the_command_that_mends_it(path: Path, damage: str) -> None:
    content = path.read_bytes()
    whole = {"cut to a page": content[:4096], "cut in half": content[: len(content) // 2]}
    path.write_bytes(whole.get(damage, content[:100] + os.urandom(8192) + content[8292:]))
    with (
        pytest.raises(UsageError, match=r"is damaged, .*store rebuild") as caught,
        EmbeddedStore(path) as store,
    ):
        store.runs()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MATCH (x:Patern) RETURN x", "unknown label or relationship 'Patern'.*nearest first: Pattern"),
        ("MATCH (p:Pattern) RETURN p.rolle", "unknown property 'rolle'.*nearest first: role"),
        ("MATCH (p:Pattern RETURN p", "does not parse from line 1"),
        (f"RETURN {'9' * 400}", "a number of 400 digits"),
    ],
)
def test_what_the_database_refuses_is_one_sentence(loaded: Path, text: str, message: str) -> None:
    with EmbeddedStore(loaded) as store, pytest.raises(UsageError, match=message) as caught:
        store.read(text)
    assert "exception" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["int", "float"])
@pytest.mark.parametrize("value", ["9" * 400, 10**400, -(10**400), "9" * 9999])
def test_numbers_of_very_many_digits_are_refused_and_not_repeated(kind: str, value: object) -> None:
    with pytest.raises(ValueMismatchError) as caught:
        convert(kind, "", value)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("text", ["9" * 400, "1e999", "NaN", "[1, 1e999]"])
def test_numbers_of_undeclared_type_are_finite(text: str) -> None:
    with pytest.raises(ValueMismatchError):
        plain(literal(text))


def test_control_and_direction_characters_are_escaped() -> None:
    assert printable("a\x1b[2J\x9b\u202eb\n\tc") == "a\\x1b[2J\\x9b\\u202eb\n\tc"
    assert "\x1b" not in str(UsageError("no \x1b[31m"))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("bolt://h:7687", "bolt://h:7687"),
        ("bolt://h:7687/secret?x=secret", "bolt://h:7687"),
        ("bolt://u:se/cret@h", "bolt://..."),
        ("--store=neo4j://h/secret", "--store=neo4j://h"),
        ("plain/path", "plain/path"),
    ],
)
def test_addresses_are_shown_without_path_query_and_login(given: str, shown: str) -> None:
    assert shown_address(given) == shown
