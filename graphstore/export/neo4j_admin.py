"""An embedded store as the CSV files that `neo4j-admin database import full` reads.

One file for each label and relationship type, its header naming ids, ends and types. The importer matches a
node's number in the embedded store twice as fast as its id, which stays a property. Lists are joined by the
control character U+001F, which no word holds.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ipgraph.graphstore.embedded.source import export_file, pieces
from ipgraph.graphstore.embedded.store import EmbeddedStore, open_file
from ipgraph.graphstore.schema.records import (
    NODES,
    RELATIONSHIPS,
    SCHEMA_VERSION,
    ColumnType,
    Instance,
    Measure,
    Run,
    columns,
    properties,
)
from ipgraph.graphstore.store.protocol import Value

SEPARATOR = "\x1f"
ARGUMENTS = "import.args"
_AT_ONCE = 2
"""Files written at a time."""
_TYPES: dict[str, str] = {"string": "string", "int": "long", "float": "double", "bool": "boolean"}
_OF_RUNS = {
    "Run": "n.id IN $runs",
    "Instance": "EXISTS { MATCH (r:Run)-[:PREDICTED]->(n) WHERE r.id IN $runs }",
    "Pattern": "n.run IN $runs",
    "Node": "n.model IN $models",
    "Measure": "EXISTS { MATCH (r:Run)-[:MEASURED]->(n) WHERE r.id IN $runs }",
    "PREDICTED": "a.id IN $runs",
    "PRODUCED": "a.id IN $runs",
    "HAS_PATTERN": "b.run IN $runs",
    "THROUGH": "a.run IN $runs",
    "FLOWS_TO": "a.model IN $models",
    "MEASURED": "a.id IN $runs",
}
"""By label or relationship type, which belong to runs: nodes `n`, relationships `e` from `a` to `b`."""


def write_csv(store: EmbeddedStore, folder: Path, runs: Iterable[str]) -> str:
    """Write whole runs of a store as CSV files into a new folder; return the command to import them there."""
    folder.mkdir()
    wanted = set(runs)
    models = sorted({run.model for run in store.runs() if run.id in wanted})
    chosen: dict[str, Value] = {"runs": sorted(wanted), "models": models, "separator": SEPARATOR}
    with (
        closing(open_file(store.path)) as database,
        tempfile.TemporaryDirectory(prefix="ipgraph-") as staging,
    ):

        def write(asked: tuple[str, str, list[str]]) -> None:
            """Write a file, by way of Parquet, since the database writes floats to CSV with six decimals."""
            name, query, header = asked
            staged = _staged(staging, name)
            export_file(database, query, chosen, staged)
            _write(folder / f"{name}.csv", header, pieces([staged]))

        with ThreadPoolExecutor(_AT_ONCE) as pool:  # the database gives such rows to one thread only
            list(pool.map(write, _files()))
        breaks = _has_line_breaks(staging)
    options = [f"--nodes={kind.__name__}={kind.__name__}.csv" for kind in NODES]
    options += [f"--relationships={kind.name}={kind.name}.csv" for kind in RELATIONSHIPS]
    options += [f"--array-delimiter=U+{ord(SEPARATOR):04X}", "--id-type=integer"]
    if breaks:  # reading such fields takes the importer a third longer
        options.append("--multiline-fields=true")
    (folder / ARGUMENTS).write_text("\n".join(options) + "\n", encoding="utf-8")
    return f"neo4j-admin database import full neo4j @{ARGUMENTS}"


def _files() -> Iterator[tuple[str, str, list[str]]]:
    """Yield for each label and relationship type its name, the query of its rows, its file's header."""
    for record in NODES:
        name = record.__name__
        items = ["offset(id(n)) AS number", *_items("n", columns(record))]
        header = [f":ID({name})", *_typed(columns(record))]
        if record is Run:
            items.append(f"{SCHEMA_VERSION} AS schema_version")
            header += _typed({"schema_version": "int"})
        yield name, f"MATCH (n:{name}) WHERE {_OF_RUNS[name]} RETURN {', '.join(items)}", header
    for kind in RELATIONSHIPS:
        name, source, target = kind.name, kind.source.__name__, kind.target.__name__
        items = ["offset(id(a)) AS source", "offset(id(b)) AS target", *_items("e", properties(kind))]
        header = [f":START_ID({source})", f":END_ID({target})", *_typed(properties(kind))]
        match = f"MATCH (a:{source})-[e:{name}]->(b:{target})"
        yield name, f"{match} WHERE {_OF_RUNS[name]} RETURN {', '.join(items)}", header


def _items(variable: str, kinds: Mapping[str, ColumnType]) -> Iterator[str]:
    """Yield the RETURN items of properties, each list joined into one string."""
    for name, kind in kinds.items():
        value = f"{variable}.{name}"
        yield f"{f'list_to_string($separator, {value})' if kind.endswith('[]') else value} AS {name}"


def _staged(staging: str, name: str) -> Path:
    return Path(staging, f"{name}.parquet")


def _has_line_breaks(staging: str) -> bool:
    """Tell whether a field that a user writes has a line break; words and names of ours have none."""
    tables = pieces(_staged(staging, record.__name__) for record in (Instance, Measure))
    texts = (table[f.name] for table in tables for f in table.schema if pa.types.is_string(f.type))
    return any(pc.any(pc.match_substring_regex(column, "[\r\n]")).as_py() for column in texts)


def _typed(kinds: Mapping[str, ColumnType]) -> Iterator[str]:
    """Yield the header's fields of properties."""
    for name, kind in kinds.items():
        yield f"{name}:{_TYPES[kind.removesuffix('[]')]}{'[]' * kind.endswith('[]')}"


def _write(path: Path, header: list[str], tables: Iterable[pa.Table]) -> None:
    with path.open("wb") as file:
        file.write((",".join(header) + "\n").encode())
        for table in tables:
            csv.write_csv(table, file, csv.WriteOptions(include_header=False))
