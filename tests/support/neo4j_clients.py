"""Clients of a Neo4j server that load in small batches: in a process of their own, or stopped halfway."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from ipgraph.graphstore.runs.directory import RunDirectory

SMALL_BATCH = 40

LOADER = f"""
import logging, signal, sys
from ipgraph.graphstore.server import patterns
from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.opening import open_store
logging.basicConfig(level=logging.DEBUG)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
patterns.BATCH_PATTERNS = {SMALL_BATCH}
try:
    with open_store(sys.argv[1]) as store:
        store.add(map(RunDirectory.open, sys.argv[2:]), lambda done, total: print(done, flush=True))
        print(vars(store), store.info(), store.runs())
except IpgraphError as error:
    sys.exit(str(error))
"""


class Stopped(Exception):  # noqa: N818
    """What a test stops a loading or a removal with."""


def stop_after(done: int) -> Callable[[int, int], None]:
    def progress(now: int, total: int) -> None:
        if now >= done:
            raise Stopped

    return progress


def batch_ends(run: RunDirectory) -> list[int]:
    """Return after which rows of a run's patterns its batches end, none of which cuts an instance in two."""
    ends = [0]
    row = 0
    for patterns in Counter(pattern.instance for pattern in run.records("patterns")).values():
        if row + patterns - ends[-1] > SMALL_BATCH:
            ends.append(row)
        row += patterns
    return [*ends[1:], row]


def loader(uri: str, *runs: RunDirectory, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LOADER, uri, *(str(run.path) for run in runs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
