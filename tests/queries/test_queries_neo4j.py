"""Every template on a Neo4j server: the embedded store's rows, and what Neo4j Browser is given to paste."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.cells import close
from support.expected_data import Data
from support.expected_rows import examples, names
from support.query_runs import query_runs
from support.servers import Login

from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.browser import browser_script
from ipgraph.queries.language.registry import templates
from ipgraph.queries.language.running import ask

DOCUMENT = Path(__file__).parents[2] / "docs" / "neo4j.md"

pytestmark = pytest.mark.xdist_group("neo4j")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunDirectory]:
    return query_runs(tmp_path_factory.mktemp("runs"))


def test_every_template_gives_the_same_rows_on_both_stores(
    neo4j_server: Login, runs: list[RunDirectory], tmp_path: Path
) -> None:
    data = Data.of(*runs)
    different: list[Any] = []
    compared = 0
    with open_store(tmp_path / "store.db") as embedded, open_store(neo4j_server.uri) as shared:
        embedded.add(runs)
        shared.add(runs)
        for name in names():
            for parameters in examples(name, data, runs[0].id, runs[1].id):
                here, there = (ask(name, store, **parameters) for store in (embedded, shared))
                compared += len(here)
                if not equal(here.rows, there.rows):
                    different.append((name, parameters, here.rows, there.rows))
    assert different == []
    assert compared > 1000


def equal(here: list[list[object]], there: list[list[object]]) -> bool:
    return len(here) == len(there) and all(
        len(a) == len(b) and all(map(close, a, b)) for a, b in zip(here, there, strict=True)
    )


def test_what_is_pasted_into_browser_runs_and_gives_the_templates_rows(
    neo4j_server: Login, runs: list[RunDirectory]
) -> None:
    data = Data.of(*runs)
    with open_store(neo4j_server.uri) as store:
        store.add(runs)
        for name in names():
            parameters = examples(name, data, runs[0].id, runs[1].id)[0]
            script = browser_script(templates()[name], store, **parameters)
            assert equal(pasted(store, script), ask(name, store, **parameters).rows), name


def test_the_picture_for_browser_is_made_of_paths(neo4j_server: Login, runs: list[RunDirectory]) -> None:
    pattern = next(row for row in runs[0].records("patterns") if row.level == "attention")
    with open_store(neo4j_server.uri) as store:
        store.add(runs[:1])
        script = browser_script(templates()["picture-of-instance"], store, instance=pattern.instance)
        rows: list[Any] = pasted(store, script)
    edges = {tuple(node["id"] for node in flow["_NODES"]) for _, flow in rows}
    assert set(pairwise(pattern.path)) <= edges
    assert {word["_NODES"][0]["id"] for word, _ in rows} == {pattern.instance}


def test_the_documented_picture_runs(neo4j_server: Login, runs: list[RunDirectory]) -> None:
    (text,) = re.findall(r"```cypher\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    with open_store(neo4j_server.uri) as store:
        store.add(runs[:1])
        rows: list[Any] = store.read(text).rows
    edges = [tuple(node["id"] for node in flow["_NODES"]) for (flow,) in rows]
    assert len(edges) == len(set(edges)) > 10
    taken = {
        edge
        for pattern in runs[0].records("patterns")
        if (pattern.level, pattern.role) == ("attention", "subject")
        for edge in pairwise(pattern.path)
    }
    assert set(edges) <= taken


def pasted(store: Store, script: str) -> list[list[object]]:
    """Run a script as Browser does: the server evaluates `:param name => value`; the rest is the query."""
    given = dict(re.findall(r"^:param (\w+) => (.*);$", script, re.MULTILINE))
    parameters: dict[str, Any] = {
        name: store.read(f"RETURN {value} AS value").rows[0][0] for name, value in given.items()
    }
    return store.read(re.sub(r"(?m)^:param .*\n", "", script), parameters).rows
