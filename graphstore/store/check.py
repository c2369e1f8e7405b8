"""What is wrong with a store: its counts against its runs' records, its content against run directories."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from ipgraph.graphstore.runs.content import content
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import graph
from ipgraph.graphstore.schema.records import Instance, Measure, Pattern, Run
from ipgraph.graphstore.store.protocol import Problem, Progress, Store
from ipgraph.graphstore.store.reading import count, measures, outdated, runs, stored_content


def check(
    store: Store, directories: Iterable[RunDirectory] = (), progress: Progress | None = None
) -> list[Problem]:
    """Return what is wrong within a store, and what differs from the given run directories.

    Progress counts the patterns that are compared.
    """
    held = {run.id: run for run in runs(store)}
    problems = [problem for run in held.values() for problem in _incomplete(store, run)]
    problems += _strangers(store) + _graph_problems(store, held.values())
    directories = list(directories)
    total = sum(held[run.id].patterns for run in directories if run.id in held)
    done = 0
    for directory in directories:
        problems += _differences(store, directory, held.get(directory.id))
        done += held[directory.id].patterns if directory.id in held else 0
        if progress:
            progress(done, total)
    return problems


def _incomplete(store: Store, run: Run) -> Iterator[Problem]:
    """Compare what belongs to a run with the numbers on its Run node."""
    where = f"run {run.id}"
    if run.state != "complete":
        half = f"only half loaded ({run.loaded} of {run.patterns} patterns)"
        what = "only half removed" if run.state == "removing" else half
        yield Problem(where, f"is {what}: load it again (`ipgraph store push`), or delete it")
        return
    own = "MATCH (r:Run {id: $run})"
    found = {
        "instances": count(store, f"{own}-[:PREDICTED]->(:Instance) RETURN count(*) AS n", run=run.id),
        "patterns": count(store, "MATCH (p:Pattern {run: $run}) RETURN count(*) AS n", run=run.id),
        "patterns by PRODUCED": count(
            store, f"{own}-[:PRODUCED]->(:Pattern) RETURN count(*) AS n", run=run.id
        ),
        "patterns by HAS_PATTERN": count(
            store,
            "MATCH (:Instance)-[:HAS_PATTERN]->(p:Pattern {run: $run}) RETURN count(*) AS n",
            run=run.id,
        ),
        "steps": count(
            store, "MATCH (p:Pattern {run: $run})-[:THROUGH]->(:Node) RETURN count(*) AS n", run=run.id
        ),
    }
    for what, number in found.items():
        due = asdict(run)[what.split()[0]]
        if number != due:
            yield Problem(where, f"has {number} {what}, and should have {due}")


def _strangers(store: Store) -> list[Problem]:
    """Find instances, patterns and measures that no run owns."""
    found = []
    for record, relationship in ((Instance, "PREDICTED"), (Pattern, "PRODUCED"), (Measure, "MEASURED")):
        label = record.__name__
        owned = f"EXISTS {{ MATCH (:Run)-[:{relationship}]->(n) }}"
        text = f"MATCH (n:{label}) WHERE NOT {owned} RETURN count(*) AS n"
        if left := count(store, text):
            found.append(Problem(label, f"{left} belong to no run"))
    return found


def _graph_problems(store: Store, held: Iterable[Run]) -> list[Problem]:
    """Compare each model's computation graph with the one that its runs need."""
    sizes: dict[str, tuple[int, int, int]] = {}
    for run in held:
        reach = max(run.positions, sizes.get(run.model, (0, 0, 0))[2])
        sizes[run.model] = (run.layers, run.heads, reach)
    found = []
    for model, (layers, heads, positions) in sizes.items():
        nodes = count(store, "MATCH (n:Node {model: $model}) RETURN count(*) AS n", model=model)
        flows = count(
            store,
            "MATCH (a:Node {model: $model})-[:FLOWS_TO]->(b:Node) "
            "WHERE a.position < $full AND b.position < $full RETURN count(*) AS n",
            model=model,
            full=graph.FULL_POSITIONS,
        )
        due_nodes = graph.counts(layers, heads, positions)[0]
        due_flows = graph.counts(layers, heads, min(positions, graph.FULL_POSITIONS))[1]
        if nodes < due_nodes or flows < due_flows:
            what = f"has {nodes} nodes and {flows} edges, and should have {due_nodes} and {due_flows}"
            found.append(Problem(f"graph of {model}", what))
    return found


def _differences(store: Store, directory: RunDirectory, held: Run | None) -> Iterator[Problem]:
    """Compare a run directory with what the store holds of its run."""
    where = f"run {directory.id}"
    if held is None:
        yield Problem(where, f"is in {directory.path} and not in the store")
        return
    if held.state != "complete":
        return  # which is said of the run itself
    for index, what in directory.faults().items():
        yield Problem(where, f"shard {index} in {directory.path} is {what}")
        return
    differing = [name for name, value in asdict(directory.run).items() if value != getattr(held, name)]
    if differing:
        yield Problem(where, f"its record differs from the directory's in {', '.join(differing)}")
    for what in content(directory).differences(stored_content(store, directory.id)):
        yield Problem(where, what)
    for what in _measure_differences(store, directory):
        yield Problem(where, what)


def _measure_differences(store: Store, directory: RunDirectory) -> Iterator[str]:
    """Say which measures of a run directory the store lacks, and in what others differ."""
    held = {measure.id: measure for measure in measures(store, directory.id)}
    due = outdated(store, directory.id, directory.measures())
    if missing := [measure for measure in due if measure.id not in held]:
        yield f"{len(missing)} measures of the directory are not in the store, such as {missing[0].id}"
    if changed := [measure for measure in due if measure.id in held]:
        pairs = [(asdict(measure), asdict(held[measure.id])) for measure in changed]
        differing = dict.fromkeys(name for own, other in pairs for name in own if own[name] != other[name])
        fields = ", ".join(differing)
        yield f"{len(changed)} measures differ from the directory's in {fields}, such as {changed[0].id}"
