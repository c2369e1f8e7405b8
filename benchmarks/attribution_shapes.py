"""Ways to store token attributions and mean layer matrices, measured on both graph stores.

    IPGRAPH_NEO4J_LAUNCHER=FOLDER PYTHONPATH=tests python benchmarks/attribution_shapes.py [--instances 9091]

Synthetic data: ten runs, one per method, with 9 to 13 scores for each of 9,091 instances (a million scores);
mean matrices of three runs (6 groups, 12 layers, 32 positions). A shape gets a fresh database file and a
fresh Neo4j server (started by the launcher's scripts) that already hold the runs, instances and nodes. All
shapes must give the same answers on both stores.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from attribution_cypher import Shape, Table, attribution_shapes, matrix_shapes
from attribution_data import (
    CONDITIONS,
    LAYERS,
    MATRIX_METHODS,
    METHODS,
    MODEL,
    POSITIONS,
    instance_id,
    run_id,
    write_data,
)
from measure import machine
from support.servers import Server

from ipgraph.graphstore.embedded.file import Database
from ipgraph.graphstore.schema.labels import node_id, node_label

INSTANCES = 9091
NODE_TABLES = {
    "Run": "id STRING, method STRING",
    "Instance": "id STRING, condition STRING, text STRING",
    "Node": "id STRING, label STRING, model STRING, kind STRING, layer INT64, position INT64, head INT64",
}
ROOM = 1 << 30
BATCH_ROWS = 1000
DELETE_ROWS = 20_000
REPEATS = 9
REMOVALS = 3
Rows = list[list[Any]]

_CLAIMED = """
UNWIND range(0, size($inputs) - 1) AS place
MATCH (n:Node {id: $inputs[place]})
WITH n ORDER BY place
WITH collect(n) AS inputs
MATCH (r:Run {id: $run}) WHERE r.loaded = $start SET r.loaded = $start + size($rows)
WITH r, inputs UNWIND $rows AS row
"""


def main() -> None:
    """Measure every shape on both stores and print the figures as Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=int, default=INSTANCES, help="per run")
    asked = parser.parse_args()
    os.environ |= {"HEAP": "1g", "PAGECACHE": "512m", "JAVA_TOOL_OPTIONS": ""}
    print(f"{machine()}; Neo4j: heap 1 GiB, page cache 512 MiB; medians of {REPEATS}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        scores = write_data(files, asked.instances)
        compare(f"{scores:,} scores", attribution_shapes(), files, scores)
        entries = MATRIX_METHODS * len(CONDITIONS) * LAYERS * POSITIONS**2
        compare(f"{entries:,} entries of mean matrices", matrix_shapes(), files, entries)


def compare(title: str, shapes: Sequence[Shape], files: Path, values: int) -> None:
    """Measure shapes on both stores, check that their answers are equal, and print a table."""
    expected: dict[str, Rows] = {}
    print(f"\n### {title}\n", flush=True)
    for shape in shapes:
        for kind in (Embedded, OwnServer):
            with tempfile.TemporaryDirectory() as folder, kind(Path(folder), files) as store:
                found = {"shape": shape.name, "store": kind.label}
                found |= figures(store, shape, values, expected)
            if shape is shapes[0] and kind is Embedded:
                print(f"| {' | '.join(found)} |\n|{'---|' * len(found)}")
            print(f"| {' | '.join(found.values())} |", flush=True)


def figures(
    store: "Embedded | OwnServer", shape: Shape, values: int, expected: dict[str, Rows]
) -> dict[str, str]:
    """Load a shape, ask its questions and remove runs; the first answers are what is expected later."""
    asked = {"run": run_id(0), "other": run_id(1), "instance": instance_id(7), "first": store.first}
    asked |= {"grouping": CONDITIONS[1], "layer": 5}
    seconds = store.load(shape)
    found = {
        "load, s": " + ".join(f"{part:.1f}" for part in seconds),
        "values a second": f"{values / sum(seconds):,.0f}",
    }
    for name, text in shape.questions.items():
        used = {key: value for key, value in asked.items() if f"${key}" in text}
        require_equal(f"{name} ({shape.name})", store.read(text, used), expected.setdefault(name, []))
        found[f"{name}, ms"] = f"{1000 * median_seconds(partial(store.read, text, used)):.1f}"
    removals = [timed(partial(store.remove, shape, run)) for run in range(REMOVALS)]
    found["remove a run, s"] = f"{statistics.median(removals):.2f}"
    return found | {"store, MB": f"{store.size() / 1e6:.0f}"}


def require_equal(name: str, rows: Rows, expected: Rows) -> None:
    """Leave with a message unless rows are as expected, floats to 1e-9; what is empty becomes the rows."""
    if not expected:
        expected += rows
    same = bool(rows) and len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=False):
        for a, b in zip(row, other, strict=True):
            same &= math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) if isinstance(a, float) else a == b
    if not same:
        raise SystemExit(f"{name}: the answers differ:\n{rows[:5]}\n{expected[:5]}")


class Embedded:
    """The embedded store, loaded by COPY from Parquet files; a run is removed by building the file anew."""

    label = "embedded"
    first = 1

    def __init__(self, folder: Path, files: Path) -> None:
        self.path, self.files = folder / "store", files

    def __enter__(self) -> "Embedded":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    def load(self, shape: Shape) -> list[float]:
        """Make the file and open it to be read; return the seconds of each table and of the checkpoint."""
        seconds = self._build(self.path, shape, METHODS)
        self.database = Database(self.path, read_only=True)
        return seconds

    def size(self) -> int:
        """Return the bytes of the file."""
        return self.path.stat().st_size

    def read(self, cypher: str, parameters: dict[str, Any]) -> Rows:
        """Return a query's rows, read on a connection of its own."""
        return self.database.read(cypher, parameters).rows

    def remove(self, shape: Shape, number: int) -> None:
        """Build a file without one run."""
        self._build(self.path.with_name(f"less-{number}"), shape, METHODS - 1)

    def _build(self, path: Path, shape: Shape, runs: int) -> list[float]:
        database = Database(path, read_only=False, room=ROOM)
        for name, columns in NODE_TABLES.items():
            database.read(f"CREATE NODE TABLE {name}({columns}, PRIMARY KEY(id))")
            database.read(f"COPY {name} FROM '{self.files}/{name}.parquet'")
        seconds = []
        for table in shape.tables:
            database.read(table.definition)
            paths = list(map(str, files_of(self.files, table.parquet, runs)))
            seconds.append(timed(partial(database.read, f"COPY {table.name} FROM {paths}")))
        seconds.append(timed(partial(database.read, "CHECKPOINT")))
        database.close()
        return seconds


class OwnServer:
    """A Neo4j server of our own, loaded by batches of rows, each claimed by the Run's `loaded`."""

    label = "Neo4j"
    first = 0

    def __init__(self, folder: Path, files: Path) -> None:
        launcher = Path(os.environ["IPGRAPH_NEO4J_LAUNCHER"]).resolve()
        self.server, self.files = Server(folder / "neo4j", launcher), files

    def __enter__(self) -> "OwnServer":
        self.server.start()
        self.driver = self.server.login.driver()
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()
        self.server.kill()

    def load(self, shape: Shape) -> list[float]:
        """Load the nodes, then the shape's tables; return the seconds of each of these."""
        for name in NODE_TABLES:
            self.driver.execute_query(f"CREATE CONSTRAINT FOR (n:{name}) REQUIRE n.id IS UNIQUE")
        if shape.index:
            self.driver.execute_query(shape.index)
        self.driver.execute_query("CALL db.awaitIndexes(300)")
        for name in NODE_TABLES:
            for rows in batches(self.files / f"{name}.parquet"):
                self.driver.execute_query(f"UNWIND $rows AS row CREATE (n:{name}) SET n = row", rows=rows)
        return [timed(partial(self._load, table)) for table in shape.tables]

    def _load(self, table: Table) -> None:
        inputs = [node_id(MODEL, node_label("input", 0, position)) for position in range(POSITIONS)]
        self.driver.execute_query("MATCH (r:Run) SET r.loaded = 0")
        for run, path in enumerate(files_of(self.files, table.rows, METHODS)):
            start = 0
            for rows in batches(path):
                self.driver.execute_query(
                    _CLAIMED + table.create, run=run_id(run), start=start, rows=rows, inputs=inputs
                )
                start += len(rows)

    def size(self) -> int:
        """Stop the server and return the bytes of the database's files, which removals do not shrink."""
        self.server.stop()
        folder = self.server.home / "data" / "databases" / "neo4j"
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    def read(self, cypher: str, parameters: dict[str, Any]) -> Rows:
        """Return a query's rows, read in a transaction that cannot write."""
        result = self.driver.execute_query(cypher, parameters, database_="neo4j", routing_="r")
        return [list(record.values()) for record in result.records]

    def remove(self, shape: Shape, number: int) -> None:
        """Delete a run's relationships."""
        ending = f"CALL (x) {{ DELETE x }} IN TRANSACTIONS OF {DELETE_ROWS} ROWS"
        with self.driver.session() as session:
            for text in shape.remove:
                session.run(f"{text} {ending}", run=run_id(number)).consume()


class Batch(list[dict[str, Any]]):
    """Rows as a parameter without a text, which the driver would make for its log and not use."""

    def __repr__(self) -> str:
        return "rows"


def batches(path: Path) -> Iterator[Batch]:
    """Yield the rows of a file, a batch at a time."""
    for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS):
        yield Batch(batch.to_pylist())


def files_of(folder: Path, table: str, runs: int) -> list[Path]:
    """Return a table's files, one per run, of those of the first runs that have one."""
    return [path for run in range(runs) if (path := folder / f"{table}-{run}.parquet").exists()]


def median_seconds(work: Callable[[], object]) -> float:
    """Return the median seconds of some calls."""
    return statistics.median(timed(work) for _ in range(REPEATS))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
