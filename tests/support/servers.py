"""Neo4j servers for tests: one that runs already, or one that a launcher starts in a temporary folder.

IPGRAPH_TEST_NEO4J_URI, IPGRAPH_TEST_NEO4J_USERNAME and IPGRAPH_TEST_NEO4J_PASSWORD name a running server. Its
database must be empty: the tests fill and empty it. IPGRAPH_NEO4J_LAUNCHER names a folder with the scripts
`neo4j HOME PORT` and `neo4j-admin HOME ARGUMENT...`, by which the tests start servers of their own.
"""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import neo4j
import pytest
from filelock import FileLock
from neo4j.exceptions import DriverError, Neo4jError

from support.requirements import missing, neo4j_launcher

START_SECONDS = 240.0
_SMALL = {"HEAP": "512m", "PAGECACHE": "128m", "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}
"""Little memory, and no long compiling: a test's server does little and soon stops."""
_VARIABLES = ("IPGRAPH_TEST_NEO4J_URI", "IPGRAPH_TEST_NEO4J_USERNAME", "IPGRAPH_TEST_NEO4J_PASSWORD")


@dataclass
class Login:
    """Where a server is, and who may use it."""

    uri: str
    username: str
    password: str
    server: "Server | None" = None
    """The server, if it is ours to kill."""

    def ours(self) -> "Server":
        """Return the server to stop or kill; skip the test where it is somebody else's."""
        if self.server is None:
            missing("neo4j", "only a server of the tests' own is killed: set IPGRAPH_NEO4J_LAUNCHER alone")
        return self.server

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which ipgraph logs in."""
        return {"NEO4J_USERNAME": self.username, "NEO4J_PASSWORD": self.password}

    def driver(self) -> neo4j.Driver:
        return neo4j.GraphDatabase.driver(self.uri, auth=(self.username, self.password))

    def empty(self) -> None:
        """Delete all nodes; what the schema holds stays."""
        with self.driver() as driver:
            driver.execute_query("MATCH (n) DETACH DELETE n")


@dataclass
class Server:
    """A server of our own in a folder, which can be stopped, killed and started again."""

    home: Path
    launcher: Path
    login: Login = field(init=False)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.login = Login(f"bolt://127.0.0.1:{self.port}", "neo4j", secrets.token_hex(8), self)
        self.admin("dbms", "set-initial-password", self.login.password)

    def admin(self, *arguments: str, folder: Path | None = None) -> None:
        """Run `neo4j-admin` in a folder; the server must be stopped."""
        command = [str(self.launcher / "neo4j-admin"), str(self.home), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        environment = _SMALL | os.environ
        with (self.home / "console.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.launcher / "neo4j"), str(self.home), str(self.port)],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self.wait()
        return self

    def wait(self) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.login.driver() as driver:
                    driver.verify_connectivity()
            except (DriverError, Neo4jError):
                assert self.process is not None
                assert self.process.poll() is None, (self.home / "console.log").read_text()
                assert time.monotonic() < end, f"no answer from Neo4j after {START_SECONDS} s"
                time.sleep(0.2)
            else:
                return

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server cleanly."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=60)
            self.process = None


@contextmanager
def own_server(home: Path) -> Iterator[Server]:
    """Start a server by the launcher; skip the test where there is none."""
    server = Server(home, neo4j_launcher())
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Login]:
    """Give the server that is shared by a session's tests."""
    if any(os.environ.get(name) for name in _VARIABLES):
        yield _running(tmp_path_factory)
    elif os.environ.get("IPGRAPH_NEO4J_LAUNCHER"):
        with own_server(tmp_path_factory.mktemp("neo4j")) as server:
            yield server.login
    else:
        missing("neo4j", f"set {', '.join(_VARIABLES)} for a running server, or IPGRAPH_NEO4J_LAUNCHER")


@pytest.fixture
def neo4j_server(
    session_server: Login, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Login]:
    """Give an empty database, ours alone while the test runs, with the login in the environment."""
    with _alone(session_server, tmp_path_factory):
        for key, value in session_server.environment.items():
            monkeypatch.setenv(key, value)
        monkeypatch.delenv("NEO4J_DATABASE", raising=False)
        yield session_server
        session_server.empty()


def _running(tmp_path_factory: pytest.TempPathFactory) -> Login:
    lacking = [name for name in _VARIABLES if not os.environ.get(name)]
    if lacking:
        missing("neo4j", f"a running server needs {', '.join(lacking)} too")
    uri, username, password = (os.environ[name] for name in _VARIABLES)
    login = Login(uri, username, password)
    with _alone(login, tmp_path_factory), login.driver() as driver:
        held = driver.execute_query("MATCH (n) RETURN count(n) AS n").records[0]["n"]
    if held:
        pytest.fail(f"the database at {login.uri} holds {held} nodes; the tests need an empty one")
    return login


def _alone(login: Login, tmp_path_factory: pytest.TempPathFactory) -> FileLock:
    """Return the lock by which the workers of a session take turns at a server."""
    return FileLock(tmp_path_factory.getbasetemp().parent / f"{login.uri.replace('/', '_')}.lock")
