"""Tables in Arrow's terms: Parquet, Arrow files, folders of `datasets`, and what lies in memory.

Only the columns that are read are loaded, a batch at a time. The names of a column of classes come from the
`huggingface` metadata of the schema, which `datasets` writes into all its files.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from ipgraph.extractor.datasets.columns import Choose, unusable
from ipgraph.extractor.datasets.rows import LONGEST_LINE, BadRow, Row, Rows
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

PARQUET = b"PAR1"
ARROW = (b"ARROW1", b"\xff\xff\xff\xff")
"""How Arrow's file and stream formats begin."""
_BATCH = 1000
_LARGEST_COLUMN = 2**30
"""Bytes, uncompressed, that a column may take in one row group of a Parquet file."""
STATE = "state.json"
SPLITS = "dataset_dict.json"


@contextmanager
def parquet_rows(path: Path, choose: Choose) -> Iterator[Rows]:
    """Open a Parquet file's rows; raises UsageError without usable columns, IpgraphError if it is damaged."""
    import pyarrow.parquet as pq

    with _damage(path, "Parquet"), pq.ParquetFile(path) as file:
        columns = _chosen(path, file.schema_arrow, choose)
        _require_size(path, file.metadata, columns)
        batches = file.iter_batches(batch_size=_BATCH, columns=columns)
        yield Rows(tuple(file.schema_arrow.names), rows_of(batches, file.schema_arrow, choose))


def _require_size(path: Path, metadata: Any, columns: list[str]) -> None:
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            is_read = column.path_in_schema.split(".")[0] in columns
            if is_read and column.total_uncompressed_size > _LARGEST_COLUMN:
                raise UsageError(
                    f"{path} has more than 1 GiB of {column.path_in_schema!r} in one row group; write it "
                    "with smaller row groups"
                )


@contextmanager
def arrow_rows(paths: Sequence[Path], choose: Choose) -> Iterator[Rows]:
    """Open the rows of Arrow files, one after the other; raises what `parquet_rows` does."""
    import pyarrow as pa

    with ExitStack() as stack:
        stack.enter_context(_damage(paths[0].parent if len(paths) > 1 else paths[0], "Arrow"))
        maps = [stack.enter_context(pa.memory_map(str(path))) for path in paths]
        readers = [_reader(path, mapped) for path, mapped in zip(paths, maps, strict=True)]
        schema = readers[0].schema
        columns = _chosen(paths[0], schema, choose)
        if any(reader.schema.names != schema.names for reader in readers):
            raise UsageError(f"{paths[0].parent} has files with different columns; save the dataset again")
        batches = (batch.select(columns) for reader in readers for batch in _batches(reader))
        yield Rows(tuple(schema.names), rows_of(batches, schema, choose))


def _reader(path: Path, mapped: Any) -> Any:
    import pyarrow as pa

    with path.open("rb") as file:
        is_file = file.read(len(ARROW[0])) == ARROW[0]
    return pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)


def _batches(reader: Any) -> "Iterator[RecordBatch]":
    if hasattr(reader, "num_record_batches"):
        return map(reader.get_batch, range(reader.num_record_batches))
    return iter(reader)


@contextmanager
def _damage(path: Path, layout: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        detail = next(iter(str(error).splitlines()), type(error).__name__)
        raise IpgraphError(
            f"{path} is a damaged {layout} file ({detail}); download or write it again"
        ) from error


def _chosen(where: object, schema: "Schema", choose: Choose) -> list[str]:
    names = tuple(schema.names)
    columns = choose(names)
    if not columns.are_enough:
        raise unusable(str(where), names, columns)
    if repeated := {name for name in columns.read.values() if names.count(name) > 1}:
        raise UsageError(f"{where} has the column {min(repeated)!r} more than once; rename one")
    return list(columns.read.values())


# --- folders that datasets saved ---


def folder_files(folder: Path) -> list[Path]:
    """Return the Arrow files of a folder that `Dataset.save_to_disk` wrote, in order.

    Raises UsageError for another folder, and for one of several splits, which it names.
    """
    if (folder / SPLITS).is_file():
        splits = _listed(folder / SPLITS, "splits")
        raise UsageError(
            f"{folder} holds several splits; give one of {', '.join(str(folder / s) for s in splits)}"
        )
    if not (folder / STATE).is_file():
        raise UsageError(
            f"{folder} is a folder without a dataset that `save_to_disk` wrote ({STATE}); give a file"
        )
    files = [folder / name for name in _listed(folder / STATE, "_data_files")]
    for path in files:
        if not path.exists() or not S_ISREG(path.lstat().st_mode):
            raise UsageError(f"{path} is not there or is not a regular file; save the dataset again")
    return files


def _listed(path: Path, field: str) -> list[str]:
    """Return the names in a list of a JSON file, which must be those of files beside it."""
    try:
        with path.open("rb") as file:
            entries = json.loads(file.read(LONGEST_LINE))[field]
        names = [entry["filename"] if isinstance(entry, dict) else entry for entry in entries]
        usable = bool(names) and all(
            isinstance(n, str) and n not in (".", "..") and Path(n).name == n for n in names
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise UsageError(f"{path} does not list the parts of a dataset; save the dataset again")
    return names


def folder_name(folder: Path) -> str:
    """Return the name of the dataset in a folder, with its split's name behind that of the whole."""
    folder = folder.absolute()
    return f"{folder.parent.name}-{folder.name}" if (folder.parent / SPLITS).exists() else folder.name


# --- batches as rows ---


def table_rows(table: Any, choose: Choose, metadata: Mapping[bytes, bytes] | None = None) -> Rows:
    """Return the rows of a table in memory, with the `metadata` of another schema if given."""
    schema = table.schema if metadata is None else table.schema.with_metadata(metadata)
    columns = _chosen("the table", schema, choose)
    batches = table.select(columns).to_batches(max_chunksize=_BATCH)
    return Rows(tuple(schema.names), rows_of(batches, schema, choose))


def rows_of(batches: "Iterable[RecordBatch]", schema: "Schema", choose: Choose) -> Iterator[Row]:
    """Yield the rows of batches; a class by number also gets its name, as `label_name`."""
    label = choose(tuple(schema.names)).read
    names = [] if "label_name" in label else _classes(schema).get(label.get("label", ""), [])
    number = 0
    for batch in batches:
        for index in range(batch.num_rows):
            number += 1
            yield _row(batch, index, number, label.get("label", ""), names)


def _row(batch: "RecordBatch", index: int, number: int, label: str, names: list[str]) -> Row:
    try:
        values = {name: batch.column(name)[index].as_py() for name in batch.schema.names}
    except UnicodeDecodeError:
        return Row(number, {}, BadRow("a text is not UTF-8"))
    value = values.get(label)
    if names and isinstance(value, int) and 0 <= value < len(names):
        values["label_name"] = names[value]
    return Row(number, values)


def _classes(schema: "Schema") -> dict[str, list[str]]:
    """Return the names of the classes of each ClassLabel column; names that are numbers say nothing."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {name: f["names"] for name, f in features.items() if f.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        name: names
        for name, names in found.items()
        if isinstance(names, list) and all(isinstance(n, str) and not n.lstrip("-").isdigit() for n in names)
    }
