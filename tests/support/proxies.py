"""A proxy between the Neo4j driver and its server, which breaks connections where it hurts."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

_COMMIT = b"\x00\x02\xb0\x12\x00\x00"
"""The Bolt protocol's message COMMIT, as one chunk."""

Moment = Literal["before", "after"]


class CommitCutter:
    """Forwards everything, but breaks the connection around the commits whose turn it is.

    `cuts` says when, by the number of the commit (from 0): "before" the server hears of it, or "after" it has
    done it and before the client hears so.
    """

    def __init__(self, port: int, cuts: dict[int, Moment]) -> None:
        self.target = ("127.0.0.1", port)
        self.cuts = cuts
        self.commits = 0
        self.made: list[Moment] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self._lock = threading.Lock()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                cut = threading.Event()
                for work in (self._to_server, self._to_client):
                    threading.Thread(target=work, args=(client, server, cut), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                moment = self._moment(data)
                if moment == "before":
                    break
                if moment == "after":
                    cut.set()
                server.sendall(data)
        if not cut.is_set():
            _close(client, server)

    def _to_client(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if cut.is_set():
                    break
                client.sendall(data)
        _close(client, server)

    def _moment(self, data: bytes) -> Moment | None:
        with self._lock:
            moment = None
            for _ in range(data.count(_COMMIT)):
                moment = self.cuts.get(self.commits)
                self.commits += 1
            if moment:
                self.made.append(moment)
            return moment


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def cutting(port: int, cuts: dict[int, Moment]) -> Iterator[CommitCutter]:
    """Run a proxy to a local port while the block lasts."""
    cutter = CommitCutter(port, cuts)
    threading.Thread(target=cutter.serve, daemon=True).start()
    try:
        yield cutter
    finally:
        cutter.listener.close()
