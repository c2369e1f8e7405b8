"""Measures kept with a run: figures that an evaluation computed over it, in a file of the run directory."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
from filelock import FileLock

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.common.files import staging_folder
from ipgraph.graphstore.runs import shards
from ipgraph.graphstore.schema.arrow import read_table, to_records, to_table
from ipgraph.graphstore.schema.records import Measure

MEASURES = "measures.parquet"


def kept(folder: Path, run: str) -> list[Measure]:
    """Return the measures in a run's folder."""
    try:
        found = to_records(Measure, read_table(Measure, folder / MEASURES))
    except FileNotFoundError:
        return []
    require_of_run(run, found)
    return found


def keep(folder: Path, run: str, due: Iterable[Measure]) -> None:
    """Keep measures in a run's folder (see `RunDirectory.write_measures`)."""
    due = list(due)
    require_of_run(run, due)
    with FileLock(folder / f".{MEASURES}.lock"), staging_folder(f".{MEASURES}.", folder) as staging:
        every = {measure.id: measure for measure in (*kept(folder, run), *due)}
        temporary = staging / MEASURES
        pq.write_table(to_table(Measure, [every[key] for key in sorted(every)]), temporary)
        shards.sync(temporary)
        temporary.replace(folder / MEASURES)


def require_of_run(run: str, measures: Iterable[Measure]) -> None:
    """Raise IpgraphError unless measures belong to a run."""
    for measure in measures:
        if run not in measure.runs:
            raise IpgraphError(f"measure {measure.id} does not belong to run {run}")
