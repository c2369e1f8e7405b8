"""`import ipgraph`: its names are these, each is the right object, and none costs anything before its use."""

from importlib.metadata import version
from pathlib import Path

import pytest
from support.interpreters import HEAVY, imported_by

import ipgraph
from ipgraph.extractor.evaluation.evaluate import evaluate
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.opening import open_store
from ipgraph.queries.language.running import ask

NAMES = {
    "__version__": version("ipgraph"),
    "ask": ask,
    "evaluate": evaluate,
    "extract": extract,
    "load_model": load_model,
    "open_store": open_store,
}


def test_the_public_names_are_these() -> None:
    assert sorted(ipgraph.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(ipgraph))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_the_object_of_its_room(name: str) -> None:
    assert getattr(ipgraph, name) == NAMES[name]


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ipgraph' has no attribute 'extrakt'"):
        _ = ipgraph.extrakt


@pytest.mark.parametrize("code", ["import ipgraph", "import ipgraph; ipgraph.__version__; dir(ipgraph)"])
def test_importing_and_the_version_load_nothing_heavy(code: str, tmp_path: Path) -> None:
    packages = imported_by(code, cwd=tmp_path)
    assert "ipgraph" in packages
    assert packages & HEAVY == set()


@pytest.mark.parametrize("name", ["open_store", "ask"])
def test_names_that_only_read_load_no_torch(name: str, tmp_path: Path) -> None:
    assert "torch" not in imported_by(f"from ipgraph import {name}", cwd=tmp_path)
