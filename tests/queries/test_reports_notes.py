"""What reports say of their numbers: what accuracy counts, what was left out, what they are limited to."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from support.cells import close, value_of
from support.expected_data import Data
from support.remade import remade

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import Prediction
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.registry import templates
from ipgraph.queries.reports.registry import make
from ipgraph.queries.reports.tables import Table, count, text

pytestmark = pytest.mark.xdist_group("queries")

ONE_LABEL_IN_TWO = "02468ace"
"""Last digits of the instances whose label is predicted."""


def without_labels(run: RunDirectory, root: Path, digits: str) -> RunDirectory:
    """Make a run in which the instances whose ids end in one of some digits have no label."""

    def changed(row: Prediction) -> Prediction:
        is_predicted = row.instance[-1] in digits
        is_correct = is_predicted or row.instance[-2] < "8"
        return replace(row, label_is_predicted=is_predicted, is_correct=is_correct)

    return remade(run, root, predictions=changed)


def test_accuracy_counts_the_labelled_and_whether_the_model_is_right(
    run: RunDirectory, tmp_path: Path
) -> None:
    half = without_labels(run, tmp_path / "runs", ONE_LABEL_IN_TWO)
    evaluated = [e for _, e in Data.of(half).evaluated(half.id)]
    right = [e["is_correct"] for e in evaluated if not e["label_is_predicted"]]
    assert 0 < sum(right) < len(right) < 24
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([half])
        accuracy = make("overview", store)[1]
        [forms, per_condition] = make("lexical", store, role="relativizer")
    assert value_of(accuracy.records()[-1]["accuracy"]) == pytest.approx(sum(right) / len(right))
    assert f"on which the model is right: {len(right)} of 24 have a label in the dataset; " in accuracy.note
    that = {i["id"] for i, _ in Data.of(half).evaluated(half.id, subtask="object-relative-across")}
    of_that = [e["is_correct"] for e in evaluated if e["instance"] in that and not e["label_is_predicted"]]
    [row] = forms.records()
    assert (row["word"], row["instances"]) == ("that", 12)
    assert value_of(row["accuracy"]) == pytest.approx(sum(of_that) / len(of_that))
    errors = len(right) - sum(right)
    assert value_of(row["of all errors"]) == pytest.approx((len(of_that) - sum(of_that)) / errors)
    assert all("share of the labelled instances" in table.note for table in (forms, per_condition))


def test_the_conditions_of_a_subtask_are_summed_up_over_the_labelled(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipgraph.queries.reports.runs.MOST_ROWS", 1)
    half = without_labels(run, tmp_path / "runs", ONE_LABEL_IN_TWO)
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([half])
        rows = make("overview", store)[1].records()
    for row in rows[:-1]:
        evaluated = [e for _, e in Data.of(half).evaluated(half.id, subtask=str(row["subtask"]))]
        right = [e["is_correct"] for e in evaluated if not e["label_is_predicted"]]
        assert value_of(row["accuracy"]) == pytest.approx(sum(right) / len(right))


def test_without_labels_there_is_no_accuracy(run: RunDirectory, tmp_path: Path) -> None:
    none = without_labels(run, tmp_path / "runs", "0123456789abcdef")
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([none])
        accuracy = make("overview", store)[1]
        forms = make("lexical", store, role="subject")[0]
    column = accuracy.headers.index("accuracy")
    assert {row[column] for row in accuracy.rows} == {None}
    assert {row[column] for row in accuracy.cells()} == {"–"}
    assert "0 of 24 have a label in the dataset; " in accuracy.note
    assert {(row["accuracy"], row["of all errors"]) for row in forms.records()} == {(None, None)}


def test_a_list_that_is_cut_says_of_how_many(store: Store, data: Data, runs: list[RunDirectory]) -> None:
    where = {"run": runs[0].id}
    every = make("quality", store, **where, threshold=0.0)[0]
    assert (len(every.rows), "20 of 24; more points" in every.note) == (20, True)
    whole = make("quality", store, **where, threshold=0.0, limit=24)[0]
    assert (len(whole.rows), whole.rows[:20], " of 24" in whole.note) == (24, every.rows, False)
    hops = [at.short for p in data.scope(runs[0].id, role="det") for at in p["at"] if at.short[:3] == "h02"]
    [(head, through), *_] = Counter(hops).most_common()
    assert through > 1
    given = {**where, "role": "det", "layer": 2, "head": int(head[-2:])}
    [cut] = make("through-head", store, **given, limit=1)
    [uncut] = make("through-head", store, **given)
    assert (len(cut.rows), cut.note.endswith(f"; 1 of {through}")) == (1, True)
    assert (len(uncut.rows), uncut.rows[:1], " of " in uncut.note) == (through, cut.rows, False)
    for name, options in (("quality", where), ("through-head", given)):
        with pytest.raises(UsageError, match="the limit is 0; a table shows at least 1 row"):
            make(name, store, **options, limit=0)


def test_no_column_takes_a_qoi_above_0_for_right_whatever_the_qoi() -> None:
    said = [c.description for found in templates().values() for c in found.columns]
    assert any("the correct word has the larger logit, or the label the largest" in text for text in said)
    assert not [text for text in said if "above 0" in text]


@pytest.fixture(scope="module")
def data(runs: list[RunDirectory]) -> Data:
    return Data.of(*runs)


def test_heads_of_one_layer_are_those_of_every_table(store: Store, runs: list[RunDirectory]) -> None:
    every = make("heads", store, run=runs[0].id, limit=1000)
    tables = make("heads", store, run=runs[0].id, limit=1000, layer=3)
    for whole, table in zip(every, tables, strict=True):
        at = table.headers.index("layer")
        expected = [row for row in whole.rows if row[at] == 3]
        assert expected
        assert len(table.rows) == len(expected)
        for row, same in zip(table.rows, expected, strict=True):
            assert all(map(close, row, same)), (row, same)
        assert f"run {runs[0].id}, attention level, layer 3" in table.note
        assert "layer" not in whole.note.partition(";")[0]


def test_conditions_of_several_structures_are_compared_with_a_caution(
    store: Store, runs: list[RunDirectory]
) -> None:
    asked = {"condition": "singular-plural", "other_condition": "plural-singular"}
    evaluated = {row.instance: (tuple(row.roles), row.target) for row in runs[0].records("predictions")}
    seen = set()
    for subtask in ("", *sorted({i.subtask for i in runs[0].records("instances")})):
        places = {
            evaluated[i.id]
            for i in runs[0].records("instances")
            if i.condition in asked.values() and subtask in ("", i.subtask)
        }
        [table] = make("conditions", store, run=runs[0].id, subtask=subtask, **asked)
        said = f"the instances are of {len(places)} structures"
        assert (said in table.note) == (len(places) > 1) == ("caution" in table.note)
        seen.add(len(places) > 1)
    assert True in seen


def test_notes_say_the_length_of_subpaths_and_how_often_words_occur(
    store: Store, runs: list[RunDirectory]
) -> None:
    [table] = make("subpaths", store, run=runs[0].id, k=2)
    assert f"run {runs[0].id}, attention level, 2 nodes; " in table.note
    ranked = make("words", store, run=runs[0].id, at_least=3)[1]
    assert "attention level, at least 3 instances; " in ranked.note
    assert "at least" not in make("words", store, run=runs[0].id)[1].note


def test_words_of_one_role_meet_as_the_earlier_and_the_later(store: Store, runs: list[RunDirectory]) -> None:
    given = {"run": runs[0].id, "role": "other"}
    headings = [
        make("merges", store, **given, other_role=other)[1].headers[2:4] for other in ("other", "attractor")
    ]
    assert headings == [["the earlier by", "the later by"], ["other by", "attractor by"]]


def test_columns_of_one_name_are_told_apart() -> None:
    columns = (text("task"), count("a"), count("a"), count("a (2)"), count("a"))
    table = Table("", columns, [["x", 1, 2, 3, 4]])
    assert table.headers == ["task", "a", "a (2)", "a (2) (2)", "a (3)"]
    assert table.records() == [dict(zip(table.headers, table.rows[0], strict=True))]
    assert len(table.records()[0]) == 5
