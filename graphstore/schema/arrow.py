"""Records as Arrow tables, by the schema's columns: what run directories keep as Parquet."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
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
        data = {name: [getattr(row, name) for row in rows] for name in schema.names}
        table = pa.table(data, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise IpgraphError(f"a {record.__name__} does not fit the schema: {error}") from error
    _refuse_unusable(record, table)
    return table


def _refuse_unusable(record: type, table: pa.Table) -> None:
    """Raise IpgraphError for a number that is not finite, or a null where the record allows none."""
    for field in table.schema:
        column = table[field.name]
        fit = pc.is_finite(column) if pa.types.is_floating(field.type) else pc.is_valid(column)
        if field.name in nullable(record):
            fit = pc.or_(pc.fill_null(fit, True), pc.is_null(column))
        bad = pc.invert(pc.fill_null(fit, False))
        row = pc.index(bad, True).as_py()
        if row >= 0:
            value = column[row].as_py()
            raise IpgraphError(
                f"{record.__name__} row {row}: {field.name} is {value}, which cannot be stored"
            )


def to_records(record: type[R], table: pa.Table) -> list[R]:
    """Return a table's rows as records."""
    return [record(**row) for row in table.to_pylist()]


def read_table(record: type, path: Path) -> pa.Table:
    """Read a record's Parquet file; raises UsageError for another schema version or other columns."""
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise IpgraphError(f"{path} cannot be read as Parquet: {error}") from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    require_version(version, str(path))
    if table.schema.names != list(columns(record)):
        raise UsageError(f"{path} has the columns {table.schema.names}; expected {list(columns(record))}")
    return table


def require_version(version: object, where: str, what: str = "the run again") -> None:
    """Raise UsageError, which says to extract `what`, unless `version` at `where` is this schema's."""
    if str(version) != str(SCHEMA_VERSION):
        raise UsageError(
            f"{where} has schema version {version}, and this ipgraph reads version {SCHEMA_VERSION}: "
            f"extract {what} (`ipgraph ingest dataset ...`)"
        )
