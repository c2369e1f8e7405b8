"""Measures in a store, of either kind: attached, kept as the run directory has them, gone with their run."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.fixtures import make_measures, make_run
from support.stores import counts, due, rows

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Measure, columns
from ipgraph.queries.language.running import ask


def test_measures_are_attached_and_replaced_by_id(location: str, run: RunDirectory) -> None:
    first, second, third = make_measures(run)
    text = (
        "MATCH (r:Run)-[:MEASURED]->(m:Measure) "
        "RETURN r.id AS run, m.id AS id, m.value AS value ORDER BY m.id"
    )
    with open_store(location) as store:
        store.add([run])
        store.add_measures(run.id, [first, second])
        store.add_measures(run.id, [replace(second, value=9.5), third])
        found = rows(store, text)
        with pytest.raises(UsageError, match="r000000000000"):
            store.add_measures("r000000000000", [first])
    expected = sorted([first, replace(second, value=9.5), third], key=lambda measure: measure.id)
    assert found == [{"run": run.id, "id": measure.id, "value": measure.value} for measure in expected]


def test_a_directorys_measures_come_with_it_and_go_with_it(location: str, root: Path) -> None:
    measured = make_run(root, seed=7)
    measured.write_measures(make_measures(measured))
    with open_store(location) as store:
        store.add([measured])
        assert counts(store)["Measure"] == len(measured.measures()) == 3
        store.remove(measured.id)
        assert set(counts(store).values()) == {0}


def test_measures_that_changed_are_named_and_brought_up_to_date_by_adding_again(
    location: str, tmp_path: Path, other: RunDirectory
) -> None:
    run = make_run(tmp_path)
    first, second, third, elsewhere = make_measures(run, 4)
    run.write_measures([first, second])
    with open_store(location) as store:
        store.add([run])
        store.add_measures(run.id, [elsewhere])
        run.write_measures([replace(second, value=9.5, note="again"), third])
        assert [problem.what for problem in store.check([run])] == [
            f"1 measures of the directory are not in the store, such as {third.id}",
            f"1 measures differ from the directory's in value, note, such as {second.id}",
        ]
        assert store.add([run, other]) == 1
        for new in (0, 0):
            assert store.check([run, other]) == []
            assert counts(store) == due(run, other) | {"Measure": 4, "MEASURED": 4}
            assert store.add([run]) == new


def test_a_measure_of_two_runs_belongs_to_both_and_stays_with_the_last(
    location: str, run: RunDirectory, other: RunDirectory
) -> None:
    shared = replace(make_measures(run, 1)[0], id="overlap", runs=[run.id, other.id])
    text = "MATCH (r:Run)-[:MEASURED]->(m:Measure) RETURN r.id AS run, m.id AS id ORDER BY run"
    with open_store(location) as store:
        store.add([run])
        store.add_measures(run.id, [shared])
        assert rows(store, text) == [{"run": run.id, "id": "overlap"}]
        store.add([other])
        assert rows(store, text) == [{"run": name, "id": "overlap"} for name in sorted(shared.runs)]
        store.remove(run.id)
        assert rows(store, text) == [{"run": other.id, "id": "overlap"}]
        store.remove(other.id)
        assert counts(store)["Measure"] == 0
        store.add([run, other])
        with pytest.raises(IpgraphError, match="measure overlap does not belong to run"):
            store.add_measures(run.id, [replace(shared, runs=[other.id])])


def test_a_query_tells_every_column_of_a_measure_but_its_id(location: str, run: RunDirectory) -> None:
    measures = [replace(measure, word="subject", position=k) for k, measure in enumerate(make_measures(run))]
    with open_store(location) as store:
        store.add([run])
        store.add_measures(run.id, measures)
        told = list(ask("measures", store, run=run.id))
    assert told[0].keys() == columns(Measure).keys() - {"id"}
    expected = sorted(measures, key=MeasureKey.of)
    assert told == [{name: getattr(measure, name) for name in told[0]} for measure in expected]
