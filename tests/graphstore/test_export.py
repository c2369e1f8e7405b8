"""What a store is exported to, read back by the programs it is made for."""

import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from support.fixtures import make_measures, make_run
from support.requirements import neo4j_launcher
from support.servers import Server
from support.shards import read_shard

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.export.export import FORMATS, export, to_networkx
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.tables import TABLES

STRANGE = [
    '"',
    "'",
    "\\",
    ";",
    "|",
    ",",
    "a,b",
    "é",
    "日本",
    "😀",
    "NaN",
    "null",
    '"x"',
    "{y}",
    "&",
    "<z>",
    "",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root: Path) -> RunDirectory:
    """A run whose words and texts are what formats trip over."""
    run = make_run(root)
    shard = read_shard(run, 0)
    patterns = [replace(p, token=STRANGE[k % len(STRANGE)]) for k, p in enumerate(shard.patterns)]
    predictions = [replace(e, tokens=[t or "x" for t in STRANGE[: len(e.tokens)]]) for e in shard.predictions]
    instances = [replace(i, wrong="") for i in shard.instances]
    instances[0] = replace(instances[0], text='two\nlines, and "quotes"')
    shutil.rmtree(run.path / "shards/00000")
    run.write_shard(0, replace(shard, patterns=patterns, predictions=predictions, instances=instances))
    run.finish()
    run.write_measures(make_measures(run))
    return run


@pytest.fixture(scope="module")
def other(root: Path) -> RunDirectory:
    return make_run(root, dataset="ra-na", model="toy2-0123456789ab", layers=2)


@pytest.fixture(scope="module")
def store(root: Path, run: RunDirectory, other: RunDirectory) -> EmbeddedStore:
    store = EmbeddedStore(root / "store.db")
    store.add([run, other])
    return store


def expected(*runs: RunDirectory) -> dict[str, dict[Any, Any]]:
    """Patterns by id and steps by (pattern, node), as the directories hold them."""
    return {
        "patterns": {p.id: asdict(p) for run in runs for p in run.records("patterns")},
        "steps": {(s.pattern, s.node): asdict(s) for run in runs for s in run.records("steps")},
        "predictions": {(e.run, e.instance): asdict(e) for run in runs for e in run.records("predictions")},
        "instances": {i.id: asdict(i) for run in runs for i in run.records("instances")},
    }


def found(graph: "nx.Graph[str]") -> dict[str, dict[Any, Any]]:
    """The same from a graph with lists as lists."""
    nodes, edges = graph.nodes(data=True), list(graph.edges(data=True))
    return {
        "patterns": {
            n: {"id": n, "product": None, **facts} for n, facts in nodes if facts.pop("type") == "Pattern"
        },
        "steps": {
            (a, b): {"pattern": a, "node": b, "margin": None, "runner_up": None, **facts}
            for a, b, facts in edges
            if facts.pop("type") == "THROUGH"
        },
        "predictions": {
            (a, b): {"run": a, "instance": b, "is_settled": None, **facts}
            for a, b, facts in edges
            if "qoi" in facts
        },
        "instances": {n: {"id": n, **facts} for n, facts in nodes if "correct" in facts},
    }


def lists_back(graph: "nx.Graph[str]") -> "nx.Graph[str]":
    """Turn the JSON text that stands for lists in GraphML into lists."""
    kinds = {"path", "tokens", "words", "word_indices", "roles"}
    for facts in [facts for _, facts in graph.nodes(data=True)] + [
        facts for *_, facts in graph.edges(data=True)
    ]:
        facts |= {name: json.loads(facts[name]) for name in kinds & facts.keys()}
    return graph


@pytest.mark.parametrize("form", ["json", "graphml"])
def test_networkx_reads_back_what_the_directories_hold(
    store: EmbeddedStore, run: RunDirectory, other: RunDirectory, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "deep" / f"store.{form}"
    assert "networkx" in export(store, path, form)
    if form == "json":
        graph = nx.node_link_graph(json.loads(path.read_text()), source="from", target="to", edges="edges")
    else:
        graph = lists_back(nx.read_graphml(path, force_multigraph=True))
    info = store.info()
    counts = {table.name: 0 for table in TABLES}
    for facts in [f for _, f in graph.nodes(data=True)] + [f for *_, f in graph.edges(data=True)]:
        counts[facts["type"]] += 1
    assert counts == {name: info[name] for name in counts}
    assert found(graph) == expected(run, other)


def test_a_part_of_a_store(store: EmbeddedStore, run: RunDirectory) -> None:
    one = next(run.records("instances")).id
    graph = to_networkx(store, [run.id], [one])
    due = expected(run)
    held = found(graph)
    assert held["patterns"] == {key: row for key, row in due["patterns"].items() if row["instance"] == one}
    assert list(held["instances"]) == [one]
    assert {node for node, facts in graph.nodes(data=True) if facts.get("kind") == "output"} == {
        "toy-0123456789ab/q04.--@----"
    }


def test_progress_reaches_the_end(store: EmbeddedStore, run: RunDirectory) -> None:
    seen: list[tuple[int, int]] = []
    to_networkx(store, [run.id], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (456, 456)


def test_what_cannot_be_exported_is_refused(store: EmbeddedStore, run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"unknown format 'graphm'.*{', '.join(FORMATS[:1])}"):
        export(store, tmp_path / "x", "graphm")
    with pytest.raises(UsageError, match=f"unknown run 'r0'.*{run.id}"):
        export(store, tmp_path / "x", "json", runs=["r0"])
    with pytest.raises(UsageError, match="exists"):
        export(store, tmp_path, "json")
    with pytest.raises(UsageError, match="whole runs"):
        export(store, tmp_path / "x", "neo4j-admin", instances=["i"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [True, False])
def test_line_breaks_are_announced_to_the_importer(
    store: EmbeddedStore, run: RunDirectory, other: RunDirectory, tmp_path: Path, broken: bool
) -> None:
    export(store, tmp_path / "csv", "neo4j-admin", runs=[run.id if broken else other.id])
    arguments = (tmp_path / "csv" / "import.args").read_text().splitlines()
    assert ("--multiline-fields=true" in arguments) is broken


def test_neo4j_admin_imports_the_whole_store(
    store: EmbeddedStore,
    run: RunDirectory,
    other: RunDirectory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launcher = neo4j_launcher()
    command = export(store, tmp_path / "csv", "neo4j-admin").partition("neo4j-admin ")[2].split()
    (tmp_path / "home").mkdir()
    server = Server(tmp_path / "home", launcher)
    imported = [str(launcher / "neo4j-admin"), str(server.home), *command]
    done = subprocess.run(imported, cwd=tmp_path / "csv", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for key, value in server.login.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("NEO4J_DATABASE", raising=False)
    try:
        server.start()
        with open_store(server.login.uri) as there:
            assert there.add([run, other]) == 0
            assert there.check([run, other]) == []
            names = [table.name for table in TABLES]
            assert {name: there.info()[name] for name in names} == {
                name: store.info()[name] for name in names
            }
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("form", "writer"),
    [("graphml", "networkx.write_graphml"), ("json", "json.dump"), ("neo4j-admin", "pyarrow.csv.write_csv")],
)
def test_an_interrupted_export_leaves_nothing_and_can_be_repeated(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, writer: str
) -> None:
    path = tmp_path / "exported"

    def interrupted(_: object, file: Any, *__: object, **___: object) -> None:
        if isinstance(file, Path):
            file.write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writer, interrupted)
        with pytest.raises(KeyboardInterrupt):
            export(store, path, form)
    assert list(tmp_path.iterdir()) == []
    export(store, path, form)
    assert list(tmp_path.iterdir()) == [path]
