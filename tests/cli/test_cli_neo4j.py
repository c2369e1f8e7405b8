"""The command line on a Neo4j server, named by `--store` or `IPGRAPH_STORE`."""

import pytest
from support.cli_runs import Folder, call, folder, invoke, shared_folder
from support.cli_runs import rows as json_rows
from support.servers import Login

pytestmark = pytest.mark.xdist_group("neo4j")
__all__ = ["folder", "shared_folder"]


def test_every_group_of_commands_works_on_a_server(folder: Folder, neo4j_server: Login) -> None:
    uri = neo4j_server.uri
    first, second = folder.runs
    loaded = invoke("ingest", "run", *(str(run.path) for run in folder.runs), "--store", uri).stdout
    assert f"added          {first.id}, {second.id}\n" in loaded
    assert f"already there  {first.id}\n" in invoke("ingest", "run", first.id, "--store", uri).stdout
    assert ": 2 runs, 2 of them compared" in invoke("store", "check", "--store", uri).stdout
    facts = {r["what"]: r["value"] for r in json_rows("store", "info", "--store", uri)}
    assert facts["Pattern"] == first.run.patterns + second.run.patterns
    for command in (
        ("query", "run", "shared-subpaths", "--param", f"run={first.id}"),
        ("report", "skip-share", "--run", first.id),
        ("show", "sva-obj-0", "--run", first.id),
    ):
        assert invoke(*command, "--store", uri).stdout == invoke(*command).stdout
    assert (
        "Neo4j"
        not in invoke("query", "cypher", "MATCH (r:Run) DETACH DELETE r", "--store", uri, code=2).stdout
    )
    invoke("run", "delete", first.id, "--yes", "--store", uri)
    left = json_rows("run", "list", "--store", uri)
    assert {row["run"]: row["where"] for row in left} == {
        first.id: f"runs/{first.id}",
        second.id: f"runs/{second.id}, store",
    }


def test_the_environment_names_the_server_and_no_output_the_password(
    folder: Folder, neo4j_server: Login
) -> None:
    environment = {"IPGRAPH_STORE": neo4j_server.uri, **neo4j_server.environment}
    loaded = call("-vv", "ingest", "run", str(folder.runs[0].path), cwd=folder.path, env=environment)
    assert loaded.returncode == 0, loaded.stderr
    assert f"store          {neo4j_server.uri}" in loaded.stdout
    wrong = call("run", "list", cwd=folder.path, env=environment | {"NEO4J_PASSWORD": "not-the-password"})
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: ")
    assert wrong.stderr.count("\n") == 1
    for text in (loaded.stdout, loaded.stderr, wrong.stderr):
        assert neo4j_server.password not in text
        assert "not-the-password" not in text
