"""An embedded store as the CSV files that `neo4j-admin database import full` reads.

One file for each label and relationship type, its header naming ids, ends and types. Nodes are numbered for
the import, label by label, because it matches numbers twice as fast as ids, which stay properties. Lists are
joined by the control character U+001F, which no word holds.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ipgraph.graphstore.embedded import EmbeddedStore, open_file
from ipgraph.graphstore.ladybug_load import OWN, RELATIONSHIP
from ipgraph.graphstore.ladybug_source import Source, absent_instances, export_files, from_store, pieces
from ipgraph.graphstore.schema import (
    SCHEMA_VERSION,
    ColumnType,
    Flow,
    Instance,
    Measure,
    Node,
    Pattern,
    Run,
    columns,
    properties,
)
from ipgraph.graphstore.stored import returned
from ipgraph.graphstore.tables import to_table

Files = Mapping[str, Path]
Ids = dict[str, pa.Array]
"""By label, the ids of its nodes in the order of their numbers."""

SEPARATOR = "\x1f"
ARGUMENTS = "import.args"
_TYPES: dict[str, str] = {"string": "string", "int": "long", "float": "double", "bool": "boolean"}
_GRAPH = {
    "nodes": f"MATCH (n:Node) WHERE n.model IN $models RETURN {returned('n', Node)}",
    "flows": "MATCH (a:Node)-[:FLOWS_TO]->(b:Node) WHERE a.model IN $models "
    "RETURN a.id AS source, b.id AS target",
}


def write_csv(store: EmbeddedStore, folder: Path, runs: Iterable[str]) -> str:
    """Write whole runs of a store as CSV files into a new folder; return the command that imports them."""
    folder.mkdir()
    chosen = set(runs)
    database = open_file(store.path)
    try:
        with tempfile.TemporaryDirectory(prefix="ipgraph-") as staging:
            source = from_store(database, [run for run in store.runs() if run.id in chosen], Path(staging))
            models = list(dict.fromkeys(run.model for run in source.runs))
            graph = export_files(database, _GRAPH, {"models": models}, Path(staging), "graph")
            breaks = _has_line_breaks(source)
            ids: Ids = {}
            options = [
                *_write_nodes(source, graph, folder, ids),
                *_write_relationships(source, graph, folder, ids),
            ]
    finally:
        database.close()
    options += [f"--array-delimiter=U+{ord(SEPARATOR):04X}", "--id-type=integer"]
    if breaks:  # reading such fields takes the importer a third longer
        options.append("--multiline-fields=true")
    (folder / ARGUMENTS).write_text("\n".join(options) + "\n", encoding="utf-8")
    return f"in {folder}, the server stopped: neo4j-admin database import full neo4j @{ARGUMENTS}"


def _write_nodes(source: Source, graph: Files, folder: Path, ids: Ids) -> Iterator[str]:
    """Write the nodes and yield their options; fill `ids`."""
    runs = to_table(Run, source.runs)
    version = pa.array([SCHEMA_VERSION] * len(source.runs), pa.int64())
    tables: dict[type, Iterable[pa.Table]] = {
        Run: [runs.append_column("schema_version", version)],
        Instance: absent_instances(source, set()),
        Pattern: source.tables("patterns"),
        Node: pieces([graph["nodes"]]),
        Measure: [to_table(Measure, source.measures)],
    }
    for record, parts in tables.items():
        name = record.__name__
        kinds: dict[str, ColumnType] = columns(record) | ({"schema_version": "int"} if record is Run else {})
        header = [f":ID({name})", *(_typed(column, kind) for column, kind in kinds.items())]
        found: list[pa.Array] = []
        _write(folder / f"{name}.csv", header, _numbered(parts, found))
        ids[name] = pa.concat_arrays(found)
        yield f"--nodes={name}={name}.csv"


def _write_relationships(source: Source, graph: Files, folder: Path, ids: Ids) -> Iterator[str]:
    tables = {name: (source.tables(table), names) for name, table, names in OWN if name in RELATIONSHIP}
    tables["MEASURED"] = (iter([to_table(Measure, source.measures)]), ("run", "id"))
    tables["FLOWS_TO"] = (pieces([graph["flows"]]), tuple(columns(Flow)))
    for name, (parts, names) in tables.items():
        kind = RELATIONSHIP[name]
        start, end = kind.source.__name__, kind.target.__name__
        typed = (_typed(column, type_) for column, type_ in properties(kind).items())
        header = [f":START_ID({start})", f":END_ID({end})", *typed]
        selected = (part.select(names) for part in parts)
        _write(folder / f"{name}.csv", header, (_by_number(part, ids[start], ids[end]) for part in selected))
        yield f"--relationships={name}={name}.csv"


def _numbered(parts: Iterable[pa.Table], ids: list[pa.Array]) -> Iterator[pa.Table]:
    """Yield tables with a first column that counts their rows through; append their ids to `ids`."""
    count = 0
    for part in parts:
        ids.extend(part["id"].chunks)
        numbers = pa.array(range(count, count + part.num_rows), pa.int64())
        count += part.num_rows
        yield part.add_column(0, "number", numbers)


def _by_number(part: pa.Table, sources: pa.Array, targets: pa.Array) -> pa.Table:
    """Return a table whose first two columns, ids, are the numbers of these ids."""
    for index, ids in enumerate((sources, targets)):
        numbers = pc.index_in(part.column(index), value_set=ids)
        part = part.set_column(index, part.column_names[index], numbers)
    return part


def _has_line_breaks(source: Source) -> bool:
    """Tell whether a field that a user writes has a line break; words and names of ours have none."""
    tables = [*source.tables("instances"), to_table(Measure, source.measures)]
    texts = (table[f.name] for table in tables for f in table.schema if pa.types.is_string(f.type))
    return any(pc.any(pc.match_substring_regex(column, "[\r\n]")).as_py() for column in texts)


def _typed(name: str, kind: ColumnType) -> str:
    return f"{name}:{_TYPES[kind.removesuffix('[]')]}{'[]' * kind.endswith('[]')}"


def _write(path: Path, header: list[str], tables: Iterable[pa.Table]) -> None:
    with path.open("wb") as file:
        file.write((",".join(header) + "\n").encode())
        for table in tables:
            csv.write_csv(_flat(table), file, csv.WriteOptions(include_header=False))


def _flat(table: pa.Table) -> pa.Table:
    """Join the elements of each list into one string."""
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = table[field.name].cast(pa.list_(pa.string()))
            table = table.set_column(index, field.name, pc.binary_join(texts, SEPARATOR))
    return table
