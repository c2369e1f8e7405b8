"""Datasets that are in memory already: lists of dicts, data frames, Arrow tables and those of `datasets`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from ipgraph.extractor.datasets.columns import Choose
from ipgraph.extractor.datasets.layouts.tables import table_rows
from ipgraph.extractor.datasets.rows import BadRow, Row, Rows, shown
from ipgraph.graphstore.common.errors import UsageError


@runtime_checkable
class ArrowTable(Protocol):
    """What Arrow can read without a copy: a pyarrow Table, a pandas or polars DataFrame."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the table as a stream."""


Records = ArrowTable | Iterable[Mapping[str, object]]


def rows_of_object(data: Records, choose: Choose) -> Rows:
    """Return the rows of an object; raises UsageError for one that is no table or lacks usable columns."""
    if hasattr(data, "with_format") and hasattr(data, "features"):
        return _rows_of_dataset(data, choose)
    if isinstance(data, Mapping):
        names = ", ".join(map(str, data))
        raise UsageError(
            f"a mapping is not a list of rows; give one of its parts ({names}), or a list of dicts"
        )
    if isinstance(data, ArrowTable):
        import pyarrow as pa

        try:
            table = pa.table(data)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise UsageError(
                f"a {type(data).__name__} is not a table of columns that Arrow can hold ({error}); give a "
                "data frame, each of whose columns holds values of one type"
            ) from error
        return table_rows(table, choose)
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        return Rows((), _rows_of_dicts(data))
    raise UsageError(
        f"a {type(data).__name__} is not a dataset; give a name, a file, a table or a list of dicts"
    )


def _rows_of_dataset(data: Any, choose: Choose) -> Rows:
    """Return the rows of a `datasets.Dataset`, or of an IterableDataset, which has no length."""
    if not hasattr(data, "__len__"):
        return Rows((), _rows_of_dicts(data))
    metadata = data.features.arrow_schema.metadata
    return table_rows(data.with_format("arrow")[:], choose, metadata)


def _rows_of_dicts(data: Iterable[object]) -> Iterator[Row]:
    for number, record in enumerate(data, 1):
        if isinstance(record, Mapping):
            yield Row(number, {str(name): _plain(value) for name, value in record.items()})
        else:
            yield Row(number, {}, BadRow("the row is {}; it must be a dict", shown(record)))


def _plain(value: Any) -> object:
    """Return numpy's scalars and arrays as Python's own, and pandas' NA as None."""
    if type(value).__name__ == "NAType":
        return None
    return value.tolist() if hasattr(value, "tolist") else value
