"""The shape that both graph stores share."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import Measure, Run

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar] | list[str] | list[int] | list[float]
Progress = Callable[[int, int], None]
"""Called with (done, total) as long work goes on; the unit is the caller's to name."""


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a query, in order; `cut` where a limit left some out."""

    columns: list[str]
    rows: list[list[object]]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` found: where, and what differs."""

    where: str
    what: str


class Store(Protocol):
    """A graph store: read by Cypher, from several threads at once; written a whole run at a time."""

    location: str
    """Path or URI, without a password."""
    first: int
    """Index of a list's or string's first element in the store's Cypher, bound as `$first`."""

    @property
    def dialect(self) -> Literal["ladybug", "neo4j"]:
        """Name of the store's kind, as in `<template>.<dialect>.cypher`."""

    def read(
        self,
        cypher: str,
        parameters: Mapping[str, Value] | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Result:
        """Run a read-only query for at most `timeout` seconds, and return at most `limit` rows.

        Raises UsageError for a write or a statement that does not parse, IpgraphError when the time is over
        (a server looks at the clock every two seconds or so).
        """

    def explain(self, cypher: str, parameters: Mapping[str, Value] | None = None) -> str:
        """Return the query's plan as text."""

    def runs(self) -> list[Run]:
        """Return the runs in the store, newest first, half-loaded ones (`state`) included."""

    def add(self, runs: Iterable[RunDirectory], progress: Progress | None = None) -> int:
        """Add finished run directories; return how many runs were new (patterns are the unit of progress).

        A run that is there gets its directory's label and measures, where they differ. Raises IpgraphError,
        before anything is written, for a directory with a missing or corrupt shard.
        """

    def remove(self, run: str, progress: Progress | None = None) -> None:
        """Delete a run and what only it used."""

    def rebuild(
        self, runs: Iterable[RunDirectory], progress: Progress | None = None, *, full_graph: bool = False
    ) -> list[Run]:
        """Build the store again from run directories; return the runs that it kept, which have none here."""

    def add_measures(self, run: str, measures: Iterable[Measure]) -> None:
        """Attach measures to a run, replacing those of the same id."""

    def set_label(self, run: str, label: str) -> None:
        """Give a stored run another label."""

    def info(self) -> dict[str, Scalar]:
        """Return what `store info` shows: counts of each label and relationship, version, notes."""

    def check(self, runs: Iterable[RunDirectory] = (), progress: Progress | None = None) -> list[Problem]:
        """Return what is wrong with the store, and what differs from the given run directories."""

    def close(self) -> None:
        """Let go of the store."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def require_bounds(timeout: float | None, limit: int | None) -> None:
    """Raise UsageError for a timeout that is not positive, or a negative row limit."""
    if timeout is not None and timeout <= 0:
        raise UsageError(f"a timeout is a positive number of seconds, not {timeout}")
    if limit is not None and limit < 0:
        raise UsageError(f"a row limit is 0 or more, not {limit}")


def out_of_time(timeout: float | None) -> IpgraphError:
    """Return the error for a query that was stopped after `timeout` seconds."""
    return IpgraphError(f"the query took longer than its timeout of {timeout:g} s and was stopped")


def verified(runs: Iterable[RunDirectory]) -> dict[str, RunDirectory]:
    """Return run directories by id, each found whole by its digests (see `RunDirectory.require_complete`)."""
    directories = {run.id: run for run in runs}
    for run in directories.values():
        run.require_complete()
    return directories
