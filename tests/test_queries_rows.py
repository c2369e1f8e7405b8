"""Every shipped template returns what plain Python computes from the run directories' Parquet files."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from expected_data import Data
from expected_rows import examples, expected, names
from fixtures import make_measures, make_run

from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.store import Store, open_store
from ipgraph.queries import run, templates

pytestmark = pytest.mark.xdist_group("queries")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunDirectory]:
    """Two runs over the same instances, and two that a template must never mix in."""
    root = tmp_path_factory.mktemp("runs")
    first, second = make_run(root), make_run(root, seed=1)
    first.write_measures(make_measures(first))
    return [first, second, make_run(root, seed=2), make_run(root, dataset="ra-na", model="toy2-0", layers=2)]


@pytest.fixture(scope="module")
def data(runs: list[RunDirectory]) -> Data:
    return Data.of(*runs)


@pytest.fixture(scope="module")
def store(runs: list[RunDirectory], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "ipgraph.db") as made:
        made.add(runs)
        made.add_measures(runs[0].id, runs[0].measures())
        yield made


def close(found: Any, wanted: Any) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12)
    return type(found) is type(wanted) and bool(found == wanted)


def test_every_template_has_examples() -> None:
    assert names() == sorted(name for name, template in templates().items() if not template.browser_only)


@pytest.mark.parametrize("name", names())
def test_rows_are_those_computed_from_the_parquet_files(
    store: Store, data: Data, runs: list[RunDirectory], name: str
) -> None:
    for parameters in examples(name, data, runs[0].id, runs[1].id):
        found = run(name, store, **parameters)
        wanted = expected(name, data, **parameters)
        assert wanted, parameters
        assert len(found) == len(wanted), parameters
        for got, want in zip(found.rows, wanted, strict=True):
            assert len(got) == len(want)
            assert all(map(close, got, want)), (parameters, got, want)
