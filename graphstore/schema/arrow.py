"""Records as Arrow tables, by the schema's columns: what run directories keep as Parquet."""

from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.common.files import MAX_UNPACKED, MAX_VALUES, require_regular
from ipgraph.graphstore.schema.records import SCHEMA_VERSION, ColumnType, columns, nullable

R = TypeVar("R")

_VERSION_KEY = b"ipgraph.schema_version"
_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "string[]": pa.list_(pa.string()),
    "int[]": pa.list_(pa.int64()),
    "float[]": pa.list_(pa.float64()),
}


def arrow_schema(record: type) -> pa.Schema:
    """Return a record's Arrow schema, which carries the schema's version."""
    fields = [pa.field(name, _TYPES[kind]) for name, kind in columns(record).items()]
    return pa.schema(fields, {_VERSION_KEY: str(SCHEMA_VERSION).encode()})


def to_table(record: type[R], rows: Iterable[R]) -> pa.Table:
    """Return records as a table; raises IpgraphError for a null, an infinity or a wrong type."""
    rows = list(rows)
    schema = arrow_schema(record)
    try:
        data = {name: _column([getattr(row, name) for row in rows]) for name in schema.names}
        table = pa.table(data, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise IpgraphError(f"a {record.__name__} does not fit the schema: {error}") from error
    _refuse_unusable(record, table)
    return table


def _column(values: list[object]) -> "list[object] | pa.Array":
    """Return values as Arrow takes them: arrays of numbers as they lie in memory."""
    arrays = [np.frombuffer(value) for value in values if isinstance(value, array) and value.typecode == "d"]
    if not arrays or len(arrays) < len(values):
        return values
    ends = np.cumsum([0, *map(len, arrays)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(np.concatenate(arrays)))


def _refuse_unusable(record: type, table: pa.Table) -> None:
    """Raise IpgraphError for a number that is not finite, or a null where the record allows none."""
    for field in table.schema:
        column = table[field.name]
        fit = pc.is_finite(column) if pa.types.is_floating(field.type) else pc.is_valid(column)
        if field.name in nullable(record):
            fit = pc.or_(pc.fill_null(fit, True), pc.is_null(column))
        bad = pc.invert(pc.fill_null(fit, False))
        row = pc.index(bad, True).as_py()
        if row < 0 and pa.types.is_list(field.type):
            row = _bad_list(column)
        if row >= 0:
            value = column[row].as_py()
            raise IpgraphError(
                f"{record.__name__} row {row}: {field.name} is {value}, which cannot be stored"
            )


def _bad_list(column: pa.ChunkedArray) -> int:
    """Return the first row whose list has a null or a number that is not finite, -1 where none has."""
    values = pc.list_flatten(column)
    fit = pc.is_finite(values) if pa.types.is_floating(values.type) else pc.is_valid(values)
    at = pc.index(pc.fill_null(fit, False), False).as_py()
    return at if at < 0 else int(pc.list_parent_indices(column)[at].as_py())


def to_records(record: type[R], table: pa.Table) -> list[R]:
    """Return a table's rows as records."""
    return [record(**row) for row in table.to_pylist()]


def read_table(record: type, path: Path) -> pa.Table:
    """Read a record's Parquet file, once its size, columns and types are found right, and check its values.

    Raises UsageError for another schema version, other columns or a file that is too large or a link,
    IpgraphError for values that the schema does not allow.
    """
    with _opened(record, path) as file:
        require_size(file.metadata, path)
        return _checked(record, file.read(use_threads=False), path)


def read_pieces(record: type, path: Path, only: tuple[str, str] | None = None) -> Iterator[pa.Table]:
    """Read a record's Parquet file one row group after the other, each of them checked as a whole file is.

    `only` is a column and the text that it has in the rows that are wanted: of row groups without such rows
    that column alone is read. Raises as `read_table` does.
    """
    with _opened(record, path) as file:
        for group in range(file.num_row_groups):
            require_size(file.metadata.row_group(group), path)
            wanted = None if only is None else pc.equal(file.read_row_group(group, [only[0]])[0], only[1])
            if wanted is None or pc.any(wanted).as_py():
                rows = file.read_row_group(group, use_threads=False)
                yield _checked(record, rows if wanted is None else rows.filter(wanted), path)


@contextmanager
def _opened(record: type, path: Path) -> Iterator[pq.ParquetFile]:
    """Give a Parquet file of the record's version and columns."""
    require_regular(path)
    try:
        with pq.ParquetFile(path) as file:
            _require_columns(record, file, path)
            yield file
    except (pa.ArrowException, OSError) as error:
        raise IpgraphError(f"{path} cannot be read as Parquet: {error}") from error


def _checked(record: type, table: pa.Table, path: Path) -> pa.Table:
    try:
        _refuse_unusable(record, table)
    except IpgraphError as error:
        raise IpgraphError(f"{path}: {error}") from error
    return table


def _require_columns(record: type, file: pq.ParquetFile, path: Path) -> None:
    """Raise UsageError for another version or other columns."""
    schema = file.schema_arrow
    version = (schema.metadata or {}).get(_VERSION_KEY, b"none").decode(errors="replace")
    require_version(version, str(path))
    if schema.names != list(columns(record)):
        raise UsageError(f"{path} has the columns {schema.names}; expected {list(columns(record))}")
    for field, due in zip(schema, arrow_schema(record), strict=True):
        if field.type != due.type:
            raise UsageError(f"{path}: column {field.name} is of type {field.type}; expected {due.type}")


def require_size(read: pq.FileMetaData | pq.RowGroupMetaData, where: object) -> None:
    """Raise UsageError where what is read of a Parquet file is larger than MAX_UNPACKED or MAX_VALUES."""
    whole = isinstance(read, pq.FileMetaData)
    groups = [read.row_group(number) for number in range(read.num_row_groups)] if whole else [read]
    size = sum(group.total_byte_size for group in groups)
    columns = range(read.num_columns)
    values = max((sum(group.column(k).num_values for group in groups) for k in columns), default=0)
    for number, most, what in ((size, MAX_UNPACKED, "bytes"), (values, MAX_VALUES, "values in a column")):
        if not 0 <= number <= most:
            raise UsageError(f"{where} unpacks to {number:,} {what}; at most {most:,} are read")


class OtherVersionError(UsageError):
    """Something was written by another version of the schema."""


def require_version(version: object, where: str, what: str = "the run again") -> None:
    """Raise OtherVersionError, which says to extract `what`, unless `version` is this schema's."""
    if str(version) != str(SCHEMA_VERSION):
        raise OtherVersionError(
            f"{where} has schema version {version}, and this ipgraph reads version {SCHEMA_VERSION}: "
            f"extract {what} (`ipgraph ingest dataset ...`)"
        )
