"""The Neo4j store beside the embedded one: loading, removing, every template, the offline import, memory.

    IPGRAPH_NEO4J_LAUNCHER=FOLDER PYTHONPATH=tests python benchmarks/neo4j_load.py [--instances 6600]

Starts a server of its own (heap 1g) by the launcher's scripts `neo4j` and `neo4j-admin`. The run is made of
the demo model's (see scaled_run.py): 132,000 patterns and 1.32 million steps by default.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
from measure import machine, median_seconds
from pyarrow import csv
from scaled_run import INSTANCES, demo_run, scaled_run
from support.servers import Server
from template_times import template_seconds

from ipgraph.graphstore.export.export import export
from ipgraph.graphstore.export.neo4j_admin import ARGUMENTS
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory

IPGRAPH = Path(sys.executable).parent / "ipgraph"
TENTH = 10
SLOWEST = 5
IMPORTS = 3
PLAIN_BATCH = 10_000
PLAIN = """
UNWIND $rows AS row
MATCH (p:Pattern {id: row.pattern})
MATCH (n:Node {id: row.node})
CREATE (p)-[:THROUGH {step: row.step, influence: row.influence, margin: row.margin}]->(n)
"""
T = TypeVar("T")


def main() -> None:
    """Measure everything and print it as it comes, as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=int, default=INSTANCES)
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "ipgraph-benchmark-runs")
    asked = parser.parse_args()
    demo = demo_run(asked.runs)
    small, large = (scaled_run(demo, asked.runs, n) for n in (asked.instances // TENTH, asked.instances))
    second = scaled_run(demo, asked.runs, asked.instances, copy=1)
    run = large.run
    print(f"## Stores: {run.patterns:,} patterns, {run.steps:,} steps\n")
    print(f"{machine()}; Neo4j: heap 1 GiB, page cache 2 GiB\n")
    row("what", ("Neo4j", "embedded"), "target (Neo4j)")
    row("---", ("---", "---"), "---")
    os.environ |= {"HEAP": "1g", "PAGECACHE": "2g", "JAVA_TOOL_OPTIONS": ""}
    launcher = Path(os.environ["IPGRAPH_NEO4J_LAUNCHER"]).resolve()
    measure_imports(launcher, large)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "neo4j", launcher)
        os.environ |= server.login.environment
        server.start()
        try:
            measure(server.login.uri, f"{folder}/ipgraph.db", small, large, second)
            row("one row per relationship, relationships per second", (f"{plainly(server, small):,.0f}", ""))
        finally:
            server.stop()


def measure(uri: str, path: str, small: RunDirectory, large: RunDirectory, second: RunDirectory) -> None:
    """Load, query and remove on both stores; the templates find a second run of the same size there."""
    stores = (uri, path)
    few = [push(store, small) for store in stores]
    many = [push(store, large) for store in stores]
    again = [push(store, large)[0] for store in stores]
    made = large.run.steps + 2 * large.run.patterns + large.run.instances
    row("load everything, s", [f"{seconds:.1f}" for seconds, _ in many], "about 35")
    row("relationships per second", [f"{made / seconds:,.0f}" for seconds, _ in many], "45,000")
    row("load a tenth of it before that, s", [f"{seconds:.1f}" for seconds, _ in few])
    row("load again, s", [f"{seconds:.1f}" for seconds in again])
    memory = [f"{b >> 20} / {a >> 20}" for (_, a), (_, b) in zip(few, many, strict=True)]
    row("peak memory of the client at ten times / once the data, MiB", memory, "equal")
    for store in stores:
        push(store, second)
    found = [times(store, large, second) for store in stores]
    for name in sorted(found[0], key=lambda n: -found[0][n])[:SLOWEST]:
        row(f"{name}, ms", [f"{1000 * one[name]:.0f}" for one in found], "under 1,000")
    slowest = [f"{1000 * max(one.values()):.0f}" for one in found]
    row(f"slowest of {len(found[0])} queries, ms", slowest, "under 1,000")
    row("check against the run directory, s", [f"{check(store, large):.1f}" for store in stores])
    row("remove the run, s", [f"{remove(store, large):.1f}" for store in stores], "under 30")
    warm = [push(store, large)[0] for store in stores]
    row("load everything anew, s", [f"{seconds:.1f}" for seconds in warm])
    row("relationships per second", [f"{made / seconds:,.0f}" for seconds in warm], "45,000")
    loading = median_seconds(lambda: load_anew(path, large))
    row("loading itself, steps per second", ("", f"{large.run.steps / loading:,.0f}"), "200,000 (embedded)")


def row(what: str, pair: Sequence[str], target: str = "") -> None:
    """Print a row: what was measured, on Neo4j and on the embedded store, and Neo4j's target."""
    print(f"| {' | '.join([what, *pair, target])} |", flush=True)


def push(store: str, run: RunDirectory) -> tuple[float, int]:
    """Return seconds and peak resident bytes of `ipgraph ingest run`."""
    arguments = [str(IPGRAPH), "ingest", "run", str(run.path), "--store", store]
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{shlex.join(arguments)} ended with status {process.returncode}")
    return time.perf_counter() - began, peak


def load_anew(path: str, run: RunDirectory) -> None:
    """Load a run into a new embedded store."""
    Path(path).unlink()
    with open_store(path) as opened:
        opened.add([run])


def plainly(server: Server, run: RunDirectory) -> float:
    """Return the relationships per second of the baseline: a row for each, on patterns that are there."""
    rows = [row for table in run.tables("steps") for row in table.to_pylist()]
    began = time.perf_counter()
    with server.login.driver() as driver:
        for start in range(0, len(rows), PLAIN_BATCH):
            driver.execute_query(PLAIN, rows=rows[start : start + PLAIN_BATCH])
    return len(rows) / (time.perf_counter() - began)


def times(store: str, run: RunDirectory, other: RunDirectory) -> dict[str, float]:
    """Return the seconds of every template."""
    with open_store(store) as opened:
        return template_seconds(opened, run.run, other.run)


def check(store: str, run: RunDirectory) -> float:
    """Return the seconds of a whole check, which must find nothing."""
    with open_store(store) as opened:
        seconds, problems = timed(lambda: opened.check([run]))
    if problems:
        raise SystemExit(f"{store}: {problems}")
    return seconds


def remove(store: str, run: RunDirectory) -> float:
    """Return the seconds that removing a run takes."""
    with open_store(store) as opened:
        return timed(lambda: opened.remove(run.id))[0]


def measure_imports(launcher: Path, run: RunDirectory) -> None:
    """Export an embedded store and import its files into a new server, offline, each time in a new folder.

    The baseline is the importer alone: the same nodes and relationships without one property.
    """
    pairs, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/exported.db"
        push(path, run)
        for n in range(IMPORTS):
            files = Path(folder, str(n))
            with open_store(path) as opened:
                exporting = timed(partial(export, opened, files, "neo4j-admin"))[0]
            pairs.append((exporting, offline_import(files, Path(folder, f"{n}-full"), launcher, run)))
            strip(files)
            bare.append(offline_import(files, Path(folder, f"{n}-bare"), launcher, run))
    found = ", ".join(f"{exporting:.1f} + {importing:.1f}" for exporting, importing in sorted(pairs, key=sum))
    row(f"offline: export + import, {IMPORTS} times, s", (found, ""), "under 20 together")
    row("such an import without any property, s", (", ".join(f"{s:.1f}" for s in sorted(bare)), ""))


def offline_import(files: Path, home: Path, launcher: Path, run: RunDirectory) -> float:
    """Return the seconds that importing files into a new server takes; its steps are counted there."""
    server = Server(home, launcher)
    os.sync()  # what was written before is no part of the import, which waits for the disk
    importing = timed(
        lambda: server.admin("database", "import", "full", "neo4j", f"@{ARGUMENTS}", folder=files)
    )[0]
    server.start()
    try:
        with server.login.driver() as driver:
            found = driver.execute_query("MATCH ()-[t:THROUGH]->() RETURN count(t) AS steps").records[0]
    finally:
        server.stop()
    if found["steps"] != run.run.steps:
        raise SystemExit(f"the imported store holds {found['steps']} steps, not {run.run.steps}")
    return importing


def strip(files: Path) -> None:
    """Leave nothing in exported files but numbers of nodes and ends of relationships."""
    for path in files.glob("*.csv"):
        with path.open(encoding="utf-8") as file:
            numbers = [name for name in file.readline().strip().split(",") if name.startswith(":")]
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=numbers))
        csv.write_csv(table, path)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return how many seconds some work took, and its result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
