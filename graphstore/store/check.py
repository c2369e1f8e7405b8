"""What is wrong with a store: its counts against its runs' records, its content against run directories."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from ipgraph.graphstore.runs.content import content
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph, tables
from ipgraph.graphstore.schema.records import Run
from ipgraph.graphstore.store.protocol import Problem, Progress, Store
from ipgraph.graphstore.store.reading import (
    count,
    measures,
    outdated,
    runs,
    shapes,
    stored_content,
    wrong_counts,
)


def check(
    store: Store, directories: Iterable[RunDirectory] = (), progress: Progress | None = None
) -> list[Problem]:
    """Return what is wrong within a store, and what differs from the given run directories.

    Progress counts the patterns that are compared.
    """
    stored = {run.id: run for run in runs(store)}
    problems = [problem for run in stored.values() for problem in _incomplete(store, run)]
    problems += [*_orphans(store, list(stored)), *_graph_problems(store, stored.values())]
    directories = list(directories)
    total = sum(stored[run.id].patterns for run in directories if run.id in stored)
    done = 0
    for directory in directories:
        problems += _differences(store, directory, stored.get(directory.id))
        done += stored[directory.id].patterns if directory.id in stored else 0
        if progress:
            progress(done, total)
    return problems


def _incomplete(store: Store, run: Run) -> Iterator[Problem]:
    """Compare what belongs to a run with the numbers on its Run node."""
    where = f"run {run.id}"
    if run.state != "complete":
        half = f"only half loaded ({run.loaded} of {run.patterns} patterns)"
        what = "only half removed" if run.state == "removing" else half
        yield Problem(where, f"is {what}: load it again (`ipgraph ingest run`), or delete it")
        return
    for what, number, due in wrong_counts(store, run):
        yield Problem(where, f"has {number} {what}, and should have {due}")


def _orphans(store: Store, stored: list[str]) -> Iterator[Problem]:
    """Find what no run owns: nodes that a relationship should link to their runs, and what names a run."""
    for table in tables.nodes():
        if table.link:
            owned = f"EXISTS {{ MATCH (:Run)-[:{table.link}]->(n) }}"
            if number := count(store, f"{table.match} WHERE NOT {owned} RETURN count(*) AS n"):
                yield Problem(table.name, f"{number} belong to no run")
    for table in tables.relationships():
        if table.derived:
            text = f"{table.match} WHERE NOT {table.of_runs} RETURN count(*) AS n"
            if number := count(store, text, runs=stored):
                yield Problem(table.name, f"{number} belong to no run")


def _graph_problems(store: Store, stored: Iterable[Run]) -> Iterator[Problem]:
    """Compare each model's computation graph with the one that its runs need."""
    for model, (shape, positions) in shapes(stored).items():
        nodes = count(store, "MATCH (n:Node {model: $model}) RETURN count(*) AS n", model=model)
        flows = count(
            store,
            "MATCH (a:Node {model: $model})-[:FLOWS_TO]->(b:Node) "
            "WHERE a.position < $full AND b.position < $full RETURN count(*) AS n",
            model=model,
            full=graph.FULL_POSITIONS,
        )
        due_nodes = graph.counts(shape, positions)[0]
        due_flows = graph.counts(shape, min(positions, graph.FULL_POSITIONS))[1]
        if nodes < due_nodes or flows < due_flows:
            what = f"has {nodes} nodes and {flows} edges, and should have {due_nodes} and {due_flows}"
            yield Problem(f"graph of {model}", what)


def _differences(store: Store, directory: RunDirectory, stored: Run | None) -> Iterator[Problem]:
    """Compare a run directory with what the store holds of its run."""
    where = f"run {directory.id}"
    if stored is None:
        yield Problem(where, f"is in {directory.path} and not in the store")
        return
    if stored.state != "complete":
        return  # which is said of the run itself
    for index, what in directory.faults().items():
        yield Problem(where, f"shard {index} in {directory.path} is {what}")
        return
    if faults := directory.derived_faults():
        yield Problem(where, faults[0])
        return
    differing = [name for name, value in asdict(directory.run).items() if value != getattr(stored, name)]
    if differing:
        yield Problem(where, f"its record differs from the directory's in {', '.join(differing)}")
    for what in content(directory).differences(stored_content(store, directory.id)):
        yield Problem(where, what)
    for what in _measure_differences(store, directory):
        yield Problem(where, what)


def _measure_differences(store: Store, directory: RunDirectory) -> Iterator[str]:
    """Say which measures of a run directory the store lacks, and in what others differ."""
    stored = {measure.id: measure for measure in measures(store, directory.id)}
    due = outdated(store, directory.id, directory.measures())
    if missing := [measure for measure in due if measure.id not in stored]:
        yield f"{len(missing)} measures of the directory are not in the store, such as {missing[0].id}"
    if changed := [measure for measure in due if measure.id in stored]:
        pairs = [(asdict(measure), asdict(stored[measure.id])) for measure in changed]
        differing = dict.fromkeys(name for due, other in pairs for name in due if due[name] != other[name])
        fields = ", ".join(differing)
        yield f"{len(changed)} measures differ from the directory's in {fields}, such as {changed[0].id}"
