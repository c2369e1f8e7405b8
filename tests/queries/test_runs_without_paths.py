"""What queries and reports say of a run whose method scores tokens and gives no paths."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.attributed import make_attributed

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.running import ask
from ipgraph.queries.reports.registry import make


@pytest.fixture(scope="module")
def hta(root: Path) -> RunDirectory:
    return make_attributed(root)


@pytest.fixture
def scored(hta: RunDirectory, tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as store:
        store.add([hta])
        yield store


def test_an_overview_has_the_run_and_the_models_accuracy(scored: Store) -> None:
    facts, accuracy = make("overview", scored)
    about = {str(what): value for what, value in facts.rows}
    assert (about["method"], about["scores"]) == ("hta", "one per token, no patterns")
    assert "patterns" not in about
    assert accuracy.title == "Model accuracy"


def test_quality_lists_no_instance_and_no_choices(scored: Store) -> None:
    (table,) = make("quality", scored)
    assert table.rows == []


def test_reports_on_paths_say_what_to_name_instead(scored: Store, hta: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"no run of .* has patterns; make one by"):
        make("heads", scored)
    with pytest.raises(UsageError, match=f"run {hta.id} .*: its method is hta"):
        make("heads", scored, run=hta.id)


def test_instances_are_told_without_what_a_baseline_gives(scored: Store) -> None:
    for name in ("instances", "predictions", "outcomes"):
        rows = ask(name, scored).records()
        assert len(rows) in (20, 24)
        told = {row.get("completeness_error", row.get("change")) for row in rows}
        assert told == {None}
    (row,) = ask("instance", scored, instance="0").records()
    assert (row["qoi_baseline"], row["completeness_error"]) == (None, None)
    assert ask("completeness", scored).records() == []
