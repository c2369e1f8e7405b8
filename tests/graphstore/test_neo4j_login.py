"""Logging in to a Neo4j server: passwords, databases, and servers that are down or too old."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from support.neo4j_clients import LOADER, loader
from support.servers import Login

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.server.connection import require_version
from ipgraph.graphstore.server.store import Neo4jStore

pytestmark = pytest.mark.xdist_group("neo4j")


def test_a_wrong_password_is_one_sentence(neo4j_server: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", "not-the-password")
    with pytest.raises(UsageError, match="user name or password") as caught:
        Neo4jStore(neo4j_server.uri)
    assert "not-the-password" not in str(caught.value)


def test_without_password_or_terminal_the_variable_is_named(
    neo4j_server: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEO4J_PASSWORD")
    with pytest.raises(UsageError, match="NEO4J_PASSWORD"):
        Neo4jStore(neo4j_server.uri)


def test_a_terminal_is_asked_for_the_password_and_does_not_show_it(neo4j_server: Login) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "NEO4J_PASSWORD"}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-c", LOADER, neo4j_server.uri], environment)  # noqa: S606
    shown = b""
    while b"Password of Neo4j user" not in shown:
        shown += os.read(terminal, 1024)
    os.write(terminal, neo4j_server.password.encode() + b"\n")
    shown += b"".join(_until_closed(terminal))
    assert os.waitpid(child, 0)[1] == 0, shown
    assert neo4j_server.password.encode() not in shown


def _until_closed(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 1024)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data


def test_a_password_in_the_uri_is_refused_and_not_repeated(neo4j_server: Login) -> None:
    host = urlsplit(neo4j_server.uri).netloc
    with pytest.raises(UsageError, match="NEO4J_PASSWORD") as caught:
        Neo4jStore(f"bolt://neo4j:{neo4j_server.password}@{host}")
    assert neo4j_server.password not in str(caught.value)


def test_a_database_in_the_uri_is_refused(neo4j_server: Login) -> None:
    with pytest.raises(UsageError, match="set NEO4J_DATABASE for a database") as caught:
        Neo4jStore(f"{neo4j_server.uri}/nope?token=secret")
    assert "nope" not in str(caught.value)
    assert "secret" not in str(caught.value)
    Neo4jStore(f"{neo4j_server.uri}/").close()


def test_a_wrong_database_is_named(neo4j_server: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("bolt", "neo4j"):
        monkeypatch.setenv("NEO4J_DATABASE", "nosuchdatabase")
        with pytest.raises(UsageError, match=r"'nosuchdatabase'.*NEO4J_DATABASE"):
            Neo4jStore(re.sub("^[^:]*", scheme, neo4j_server.uri))


def test_a_named_database_and_a_routed_connection_work(
    neo4j_server: Login, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Neo4jStore(neo4j_server.uri) as store:
        name = str(store.read("CALL db.info() YIELD name RETURN name").rows[0][0])
    monkeypatch.setenv("NEO4J_DATABASE", name)
    with Neo4jStore(re.sub("^[^:]*", "neo4j", neo4j_server.uri)) as store:
        store.add([run])
        assert store.runs() == [run.run]
        assert store.info()["database"] == name


@pytest.mark.parametrize("scheme", ["bolt", "neo4j", "bolt+ssc"])
def test_a_server_that_is_down_is_one_sentence(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("NEO4J_PASSWORD", "whatever")
    with pytest.raises(IpgraphError, match=r"no Neo4j server answers at .*:1: ") as caught:
        Neo4jStore(f"{scheme}://127.0.0.1:1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["4.4.30", "5.25.1", "3.5.0", "unknown"])
def test_an_old_server_is_refused_by_version_and_edition(version: str) -> None:
    with pytest.raises(IpgraphError, match=rf"Neo4j {version} \(enterprise\).*5\.26 or newer"):
        require_version("bolt://host", version, "enterprise")


@pytest.mark.parametrize("version", ["5.26.0", "5.26.30", "5.27-aura", "2025.01.0", "2026.10.1"])
def test_a_newer_server_will_do(version: str) -> None:
    require_version("bolt://host", version, "community")


def test_the_password_is_nowhere_in_output_logs_or_run_directory(
    neo4j_server: Login, run: RunDirectory
) -> None:
    done = loader(neo4j_server.uri, run, stderr=subprocess.STDOUT)
    output = done.communicate()[0]
    assert done.returncode == 0, output
    assert "DEBUG:neo4j" in output
    assert neo4j_server.password not in output
    for file in run.path.rglob("*"):
        assert file.is_dir() or neo4j_server.password.encode() not in file.read_bytes()
