"""A test whose needs are not met skips and says how to meet them, unless they are required."""

from pathlib import Path

import pytest
from support.requirements import ROOT, missing, neo4j_launcher, shared


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPGRAPH_SHARED", "IPGRAPH_NEO4J_LAUNCHER", "IPGRAPH_REQUIRE"):
        monkeypatch.delenv(name, raising=False)


def test_without_the_variable_a_test_skips_and_names_it() -> None:
    with pytest.raises(pytest.skip.Exception, match="IPGRAPH_SHARED"):
        shared("models")
    with pytest.raises(pytest.skip.Exception, match="IPGRAPH_NEO4J_LAUNCHER"):
        neo4j_launcher()


def test_what_is_required_fails_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IPGRAPH_REQUIRE", "shared, neo4j")
    with pytest.raises(pytest.fail.Exception, match="IPGRAPH_SHARED"):
        shared("models")
    with pytest.raises(pytest.fail.Exception, match="IPGRAPH_NEO4J_LAUNCHER"):
        neo4j_launcher()
    with pytest.raises(pytest.skip.Exception, match="a GPU"):
        missing("cuda", "a GPU")
    monkeypatch.setenv("IPGRAPH_SHARED", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="holds no models/nothing"):
        shared("models", "nothing")


def test_a_relative_folder_is_one_beside_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IPGRAPH_SHARED", "tests")
    monkeypatch.chdir(tmp_path)
    assert shared("conftest.py") == ROOT / "tests" / "conftest.py"
