"""A query on the embedded store reads the graph, gives plain values, and does nothing else."""

from pathlib import Path
from typing import Any

import pytest
from support.fixtures import make_run

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.embedded.store import EmbeddedStore


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run, not to be changed."""
    folder = tmp_path_factory.mktemp("store")
    with EmbeddedStore(folder / "loaded.db") as store:
        store.add([make_run(folder / "runs")])
    return folder / "loaded.db"


@pytest.mark.parametrize(
    "cypher",
    [
        "COPY (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "copy (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "/* a comment */ COPY (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "MATCH (r:Run) RETURN r.id; COPY (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "MATCH (r:Run) RETURN r.id // ;\n; COPY (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "RETURN 'it\\'s' AS a; COPY (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "EXPORT DATABASE '{file}'",
        "PROFILE COPY (MATCH (r:Run) RETURN r.id) TO '{file}'",
        "EXPLAIN MATCH (r:Run) RETURN r.id",
        "INSTALL json",
        "LOAD EXTENSION json",
        "LOAD FROM '{file}' RETURN *",
        "MATCH (r:Run) LOAD FROM '{file}' RETURN *",
        "ATTACH '{file}' AS other (dbtype lbug)",
        "USE other",
        "CALL threads=1",
        "CALL READ_CSV_SERIAL('{file}') RETURN *",
        "MATCH (r:Run) call read_parquet ('{file}') RETURN *",
        "CALL PROJECT_GRAPH('g', ['Run'], [])",
        "WITH 1 AS x LOAD\u180eFROM '{file}' RETURN *",
        "BEGIN TRANSACTION",
        "CHECKPOINT",
        "CREATE (r:Run {{id: 'x'}})",
        "MATCH (r:Run) SET r.model = 'x'",
        "MATCH (r:Run) DETACH DELETE r",
    ],
)
def test_a_query_only_reads(loaded: Path, tmp_path: Path, cypher: str) -> None:
    before = loaded.read_bytes()
    with EmbeddedStore(loaded) as store:
        for read in (store.read, store.explain):
            with pytest.raises(UsageError):
                read(cypher.format(file=tmp_path / "file"))
        assert store.read("MATCH (r:Run) RETURN count(*) AS n").rows == [[1]]
    assert loaded.read_bytes() == before
    assert list(tmp_path.iterdir()) == []
    assert not list(loaded.parent.glob("*.wal")) + list(loaded.parent.glob("*.shadow"))


@pytest.mark.parametrize(
    "cypher",
    [
        "MATCH (r:Run) RETURN 'a;b' AS x;",
        'MATCH (r:Run) RETURN "it\'s; fine" AS x // a comment; with more\n',
        "/* ; */ OPTIONAL MATCH (r:Run) RETURN r.id AS x",
        "UNWIND [1] AS load RETURN load AS x",
        "CALL Current_Setting('threads') RETURN *",
        "MATCH (r:Run) RETURN r.id AS call",
        "CALL show_tables() WHERE name = 'Run' RETURN name AS x",
    ],
)
def test_a_query_may_hold_what_looks_like_more(loaded: Path, cypher: str) -> None:
    with EmbeddedStore(loaded) as store:
        assert len(store.read(cypher).rows) == 1


def test_values_are_plain_python(loaded: Path) -> None:
    with EmbeddedStore(loaded) as store:
        text = (
            "MATCH (r:Run) RETURN sum(r.layers) AS whole, [sum(r.layers)] AS list, avg(r.layers) AS real, r"
        )
        whole, listed, real, node = store.read(text).rows[0]
        assert (whole, listed, real) == (3, [3], 3.0)
        assert [type(value) for value in (whole, real)] == [int, float]
        assert isinstance(node, dict)
        assert node["_LABEL"] == "Run"
        assert "_ID" not in node


@pytest.mark.parametrize("value", [(1, 2), {1}, 2**70, [1, "a"], object()])
def test_a_parameter_that_cannot_be_bound_is_a_usage_error(loaded: Path, value: Any) -> None:
    with EmbeddedStore(loaded) as store, pytest.raises(UsageError, match="cannot be run"):
        store.read("RETURN $x AS x", {"x": value})


def test_the_plan_is_text(loaded: Path) -> None:
    with EmbeddedStore(loaded) as store:
        assert "SCAN" in store.explain("MATCH (p:Pattern {run: $run}) RETURN p.id AS id", {"run": "x"})
