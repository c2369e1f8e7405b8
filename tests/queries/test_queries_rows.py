"""Every shipped template returns what plain Python computes from the run directories' Parquet files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cells import close
from support.expected_data import Data
from support.expected_rows import examples, expected, names
from support.query_runs import query_runs
from support.remade import remade

from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import Pattern
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.registry import templates
from ipgraph.queries.language.running import ask

pytestmark = pytest.mark.xdist_group("queries")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunDirectory]:
    return query_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def data(runs: list[RunDirectory]) -> Data:
    return Data.of(*runs)


@pytest.fixture(scope="module")
def store(runs: list[RunDirectory], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "ipgraph.db") as made:
        made.add(runs)
        made.add_measures(runs[0].id, runs[0].measures())
        yield made


def test_every_template_has_examples() -> None:
    assert names() == sorted(name for name, template in templates().items() if not template.browser_only)


@pytest.mark.parametrize("name", names())
def test_rows_are_those_computed_from_the_parquet_files(
    store: Store, data: Data, runs: list[RunDirectory], name: str
) -> None:
    for parameters in examples(name, data, runs[0].id, runs[1].id):
        found = ask(name, store, **parameters)
        wanted = expected(name, data, **parameters)
        assert wanted, parameters
        assert len(found) == len(wanted), parameters
        for got, want in zip(found.rows, wanted, strict=True):
            assert len(got) == len(want)
            assert all(map(close, got, want)), (parameters, got, want)


def test_sums_have_the_digits_that_every_order_of_adding_gives(
    store: Store, runs: list[RunDirectory]
) -> None:
    run = runs[0].id
    summed = [value for row in ask("heads-by-traversal", store, run=run, limit=100).rows for value in row]
    assert any(isinstance(value, float) for value in summed)
    assert all(value == float(f"{value:.12g}") for value in summed if isinstance(value, float))
    stored = {pattern.influence for pattern in runs[0].records("patterns")}
    name = next(runs[0].records("instances")).id
    found = ask("patterns-of-instance", store, run=run, instance=name).records()
    assert found
    assert {row["influence"] for row in found} <= stored
    assert any(value != float(f"{value:.12g}") for value in stored)


@pytest.fixture(scope="module")
def pieces(runs: list[RunDirectory], tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run in which every subject and the word before it are pieces of one word, and all is right."""
    subjects = {(p.instance, p.level): p for p in runs[0].records("patterns") if p.role == "subject"}

    def joined(pattern: Pattern) -> Pattern:
        subject = subjects[pattern.instance, pattern.level]
        if pattern.position != subject.position - 1:
            return pattern
        return replace(pattern, word=subject.word, word_index=subject.word_index, role="subject")

    root = tmp_path_factory.mktemp("pieces")
    return remade(runs[0], root, predictions=lambda e: replace(e, is_correct=True), patterns=joined)


@pytest.mark.parametrize("level", ["attention", "embedding"])
def test_the_pieces_of_a_word_are_taken_together(pieces: RunDirectory, tmp_path: Path, level: str) -> None:
    data = Data.of(pieces)
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([pieces])
        for sign in (0, 1, -1):
            given: dict[str, Any] = {"run": pieces.id, "level": level, "role": "subject", "sign": sign}
            wanted = expected("influential-words", data, **given)
            for got, want in zip(ask("influential-words", store, **given).rows, wanted, strict=True):
                assert all(map(close, got, want))
        found = ask("lexical", store, level=level, role="subject").records()
    totals = {word["word"]: word for word in found if word["instances"] == 1}
    for word, row in totals.items():
        both = [p for p in data.scope(pieces.id, level) if (p["word"], p["role"]) == (word, "subject")]
        assert row["occurrences"] == 1
        if len(both) == 2:
            assert close(row["mean_total_influence"], both[0]["total_influence"] + both[1]["total_influence"])
    assert totals
    assert {row["error_share"] for row in found} == {None}
