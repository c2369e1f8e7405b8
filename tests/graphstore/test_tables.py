"""A new table is a record and an entry of the registry: everything else takes it along."""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from support.fixtures import make_run
from support.shards import read_shard
from support.stores import rows

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.export.export import export
from ipgraph.graphstore.opening import is_server, open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.records import Instance, Run, columns
from ipgraph.graphstore.schema.tables import Table


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each token counts for by a method: two relationships between the same ends."""

    run: str
    instance: str
    method: str
    scores: list[float]
    error: float | None


@dataclass(frozen=True, slots=True)
class Remark:
    """A label of a run's own."""

    id: str
    run: str
    instance: str
    text: str


ATTRIBUTED = Table(
    "ATTRIBUTED",
    Attribution,
    "run",
    file="occlusions",
    ends=(Run, Instance),
    keys=("run", "instance"),
    run="a.id",
    instance="b.id",
    apart=("method",),
)
REMARK = Table("Remark", Remark, "run", file="remarks", link="MADE", run="n.run", instance="n.instance")
MADE = Table(
    "MADE",
    None,
    "run",
    file="remarks",
    ends=(Run, Remark),
    keys=("run", "id"),
    run="a.id",
    instance="b.instance",
)


def attributions(run: str, instance: str) -> list[Attribution]:
    number = len(instance) / 7
    return [
        Attribution(run, instance, method, [number, -0.5], None if method == "gradient" else number)
        for method in ("gradient", "occlusion")
    ]


def remarks(run: str, instance: str) -> list[Remark]:
    return [Remark(f"{run}/{instance}", run, instance, "fine, it seems")]


def with_rows(run: RunDirectory, file: str, made: Callable[[str, str], list[Any]]) -> RunDirectory:
    """Write a run's shards again, with rows of another table for each instance."""
    for index in range(run.manifest["shards"]):
        shard = read_shard(run, index)
        further = {file: [row for instance in shard.instances for row in made(run.id, instance.id)]}
        shutil.rmtree(run.path / "shards" / f"{index:05d}")
        run.write_shard(index, replace(shard, further=further))
    run.finish()
    return run


@pytest.mark.parametrize(
    ("added", "made", "field", "value"),
    [((ATTRIBUTED,), attributions, "error", 0.25), ((REMARK, MADE), remarks, "text", "odd")],
)
def test_a_new_table_goes_everywhere(
    location: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    added: tuple[Table, ...],
    made: Callable[[str, str], list[Any]],
    field: str,
    value: object,
) -> None:
    monkeypatch.setattr(tables, "TABLES", (*tables.TABLES, *added))
    table = added[0]
    run, other = (with_rows(make_run(tmp_path, seed=seed), table.file, made) for seed in (0, 1))
    number = len(list(run.records(table.file)))
    assert json.loads(run.run.rows)[table.file] == number == 24 * len(made("", ""))

    with open_store(location) as store:
        assert store.add([run, other]) == 2
        assert {store.info()[name] for name in (added[0].name, added[-1].name)} == {2 * number}
        stored = rows(store, f"{table.match} RETURN {table.items}")
        assert sorted(map(repr, stored)) == sorted(
            repr({name: getattr(row, name) for name in stored[0]})
            for each in (run, other)
            for row in each.records(table.file)
        )
        assert store.check([run, other]) == []

        path = tmp_path / "changed" / run.id
        shutil.copytree(run.path, path)
        changed = RunDirectory.open(path)
        shard = read_shard(changed, 0)
        shard.further[table.file][1] = replace(shard.further[table.file][1], **{field: value})
        shutil.rmtree(path / "shards/00000")
        changed.write_shard(0, shard)
        assert [problem.what for problem in store.check([changed])] == [
            f"{table.file}: as many, but their content differs"
        ]

        export(store, tmp_path / "all.json", "json")
        data = json.loads((tmp_path / "all.json").read_text())
        types = Counter(item["type"] for item in (*data["nodes"], *data["edges"]))
        assert {types[entry.name] for entry in added} == {2 * number}
        export(store, tmp_path / "one.graphml", "graphml", runs=[run.id], instances=[shard.instances[0].id])
        graph = nx.read_graphml(tmp_path / "one.graphml", force_multigraph=True)
        items = [*(f for _, f in graph.nodes(data=True)), *(f for *_, f in graph.edges(data=True))]
        assert Counter(facts["type"] for facts in items)[table.name] == number / 24
        if not is_server(location):
            export(store, tmp_path / "csv", "neo4j-admin", runs=[run.id])
            with (tmp_path / "csv" / f"{table.name}.csv").open(newline="") as file:
                assert len(list(csv.reader(file))) == number + 1

        store.remove(run.id)
        assert {store.info()[entry.name] for entry in added} == {number}
        assert store.check([other]) == []
        store.rebuild([run, other])
        assert store.check([run, other]) == []


def test_a_run_without_one_of_its_tables_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    monkeypatch.setattr(tables, "TABLES", (*tables.TABLES, ATTRIBUTED))
    with pytest.raises(IpgraphError, match=r"shard 0 of run .* is corrupt: a file is missing"):
        run.require_complete()


def test_rows_of_a_table_that_is_not_in_the_schema_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    shard = replace(read_shard(run, 0), further={"marginalia": []})
    with pytest.raises(IpgraphError, match="not in the schema: marginalia"):
        run.write_shard(0, shard)


def test_every_table_is_declared_whole() -> None:
    labels = {table.record: table for table in tables.nodes()}
    for table in tables.TABLES:
        assert table.link == "" or any(table.link == entry.name for entry in tables.relationships())
        assert set(table.ends or ()) <= labels.keys()
        if table.file:
            assert set(table.names) <= set(columns(tables.record_of(table.file)))
            assert bool(table.instance) != table.derived
