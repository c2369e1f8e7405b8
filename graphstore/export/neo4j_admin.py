"""An embedded store as the CSV files that `neo4j-admin database import full` reads.

One file for each label and relationship type, its header naming ids, ends and types. The importer matches a
node's number in the embedded store twice as fast as its id, which stays a property. Lists are joined by the
control character U+001F, which no word holds.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ipgraph.graphstore.common.files import staging_folder
from ipgraph.graphstore.embedded.file import STAGING
from ipgraph.graphstore.embedded.source import export_file, pieces
from ipgraph.graphstore.embedded.store import EmbeddedStore, open_file
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, ColumnType, Run
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.store.protocol import Value

SEPARATOR = "\x1f"
ARGUMENTS = "import.args"
_AT_ONCE = 2
"""Files written at a time."""
_TYPES: dict[str, str] = {"string": "string", "int": "long", "float": "double", "bool": "boolean"}


def write_csv(store: EmbeddedStore, folder: Path, runs: Iterable[str]) -> str:
    """Write whole runs of a store as CSV files into a new folder; return the command to import them there."""
    folder.mkdir()
    wanted = set(runs)
    models = sorted({run.model for run in store.runs() if run.id in wanted})
    chosen: dict[str, Value] = {"runs": sorted(wanted), "models": models}
    with (
        closing(open_file(store.path)) as database,
        staging_folder(STAGING) as staging,
    ):

        def write(table: Table) -> bool:
            """Write a table, by way of Parquet, since the database writes floats to CSV with six decimals."""
            query, header = _query(table)
            staged = Path(staging, f"{table.name}.parquet")
            export_file(database, query, chosen, staged)
            return _write(folder / f"{table.name}.csv", header, pieces([staged]))

        with ThreadPoolExecutor(_AT_ONCE) as pool:  # the database writes each file on one thread
            breaks = any(list(pool.map(write, tables.TABLES)))
    options = [f"--nodes={table.name}={table.name}.csv" for table in tables.nodes()]
    options += [f"--relationships={table.name}={table.name}.csv" for table in tables.relationships()]
    options += [f"--array-delimiter=U+{ord(SEPARATOR):04X}", "--id-type=integer"]
    if breaks:  # reading such fields takes the importer a third longer
        options.append("--multiline-fields=true")
    (folder / ARGUMENTS).write_text("\n".join(options) + "\n", encoding="utf-8")
    return f"neo4j-admin database import full neo4j @{ARGUMENTS}"


def _query(table: Table) -> tuple[str, list[str]]:
    """Return the query of a table's rows, and the header of its file."""
    kinds = table.properties
    if table.ends is None:
        items, header = ["offset(id(n)) AS number", *(f"n.{name}" for name in kinds)], [f":ID({table.name})"]
    else:
        source, target = (end.__name__ for end in table.ends)
        items = ["offset(id(a)) AS source", "offset(id(b)) AS target", *(f"e.{name}" for name in kinds)]
        header = [f":START_ID({source})", f":END_ID({target})"]
    if table.record is Run:
        items.append(f"{SCHEMA_VERSION} AS schema_version")
        kinds = kinds | {"schema_version": "int"}
    return f"{table.match} WHERE {table.of_runs} RETURN {', '.join(items)}", [*header, *_typed(kinds)]


def _typed(kinds: Mapping[str, ColumnType]) -> Iterator[str]:
    """Yield the header's fields of properties."""
    for name, kind in kinds.items():
        yield f"{name}:{_TYPES[kind.removesuffix('[]')]}{'[]' * kind.endswith('[]')}"


def _write(path: Path, header: list[str], parts: Iterable[pa.Table]) -> bool:
    """Write a CSV file; return whether a field has a line break."""
    breaks = False
    with path.open("wb") as file:
        file.write((",".join(header) + "\n").encode())
        for part in map(_joined, parts):
            texts = [part[field.name] for field in part.schema if pa.types.is_string(field.type)]
            breaks = breaks or any(_has_line_break(column) for column in texts)
            csv.write_csv(part, file, csv.WriteOptions(include_header=False))
    return breaks


def _joined(part: pa.Table) -> pa.Table:
    """Return a table with each list as one text, its floats with all their digits."""
    for number, field in enumerate(part.schema):
        if pa.types.is_list(field.type):
            texts = pc.binary_join(part[field.name].cast(pa.list_(pa.string())), SEPARATOR)
            part = part.set_column(number, field.name, texts)
    return part


def _has_line_break(column: pa.ChunkedArray) -> bool:
    return any(pc.any(pc.match_substring(column, end)).as_py() for end in "\r\n")
