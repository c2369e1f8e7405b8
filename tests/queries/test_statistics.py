"""Intervals, tests and stability in reports, recomputed instance by instance from the run directories."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from support.cells import value_of
from support.expected_data import Data, instances_of
from support.expected_paths import heads_by_traversal, shared_subpaths
from support.expected_words import influential_words
from support.fixtures import make_run

from ipgraph.graphstore.common.bootstrap import Interval
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.running import ask
from ipgraph.queries.reports.registry import make
from ipgraph.queries.reports.sample import first, stability_note
from ipgraph.queries.views.labels import printed_label

pytestmark = pytest.mark.xdist_group("queries")


@pytest.fixture(scope="module")
def data(runs: list[RunDirectory]) -> Data:
    return Data.of(*runs)


def resampled(values: list[float], denominators: list[float] | None = None) -> Interval:
    """Return a ratio of sums with its percentile bootstrap, drawn as the documented seed says."""
    n = len(values)
    below = denominators or [1.0] * n
    drawn = np.random.default_rng(0).multinomial(n, [1 / n] * n, 1000)
    ratios = [sum(c * v for c, v in zip(row, values, strict=True)) / (row @ np.array(below)) for row in drawn]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(sum(values) / sum(below), float(low), float(high))


def assert_interval(found: object, wanted: Interval) -> None:
    assert isinstance(found, Interval)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))


@pytest.mark.parametrize("rank", ["count", "influence"])
def test_heads_of_the_report_are_those_of_the_files(
    store: Store, data: Data, runs: list[RunDirectory], rank: str
) -> None:
    top = make("heads", store, run=runs[0].id, rank=rank)[0]
    wanted = heads_by_traversal(data, run=runs[0].id, rank=rank, limit=10)
    names = ("layer", "head", "patterns", "of patterns", "of instances", "mean |I|", "of |I|")
    for row, want in zip(top.records(), wanted, strict=True):
        expected = (*want[:4], want[5], *want[6:])
        assert [value_of(row[name]) for name in names] == pytest.approx(expected)
    assert "n = 24 instances; 95% intervals: percentile bootstrap" in top.note
    best = top.records()[0]
    patterns = data.scope(runs[0].id)

    def through(p: dict[str, Any]) -> bool:
        return any((at.layer, at.head) == (best["layer"], best["head"]) for at in p["at"])

    shares, counts, alls = [], [], []
    for instance in sorted({p["instance"] for p in patterns}):
        own = [p for p in patterns if p["instance"] == instance]
        whole = sum(abs(p["influence"]) for p in own)
        shares.append(sum(abs(p["influence"]) for p in own if through(p)) / whole)
        counts.append(float(sum(map(through, own))))
        alls.append(float(len(own)))
    assert_interval(best["of |I|"], resampled(shares))
    assert_interval(best["of patterns"], resampled(counts, alls))


@pytest.mark.parametrize("rank", ["count", "influence"])
def test_subpaths_and_words_of_the_reports_are_those_of_the_files(
    store: Store, data: Data, runs: list[RunDirectory], rank: str
) -> None:
    [table] = make("subpaths", store, run=runs[0].id, by="role", k=2, rank=rank)
    wanted = shared_subpaths(data, k=2, by="role", run=runs[0].id, rank=rank)
    names = ("instances", "of instances", "patterns", "mean |I|", "of |I|")
    for row, want in zip(table.records(), wanted, strict=True):
        assert [value_of(row[name]) for name in names] == pytest.approx(want[1:])
    words = make("words", store, run=runs[0].id, role="subject", sign=1, rank=rank)[1]
    wanted = influential_words(data, run=runs[0].id, role="subject", sign=1, rank=rank)
    names = ("instances", "mean g", "mean pattern", "mean |I|", "of |I|")
    for row, want in zip(words.records(), wanted, strict=True):
        assert row["word"] == want[2]
        assert [value_of(row[name]) for name in names] == pytest.approx(want[3:])


def test_conditions_are_tested_and_their_shares_carry_intervals(
    store: Store, data: Data, runs: list[RunDirectory]
) -> None:
    one, two = "singular-plural", "plural-singular"
    [table] = make("conditions", store, run=runs[0].id, condition=one, other_condition=two, limit=1000)
    template = ask(
        "node-probability-difference", store, run=runs[0].id, condition=one, other_condition=two, limit=1000
    )
    assert len(table.rows) == len(template) > 20
    wanted = {printed_label(row["node"]): row for row in template}
    for row in table.records():
        want = wanted[str(row["node"])]
        found = [value_of(row[name]) for name in (one, two, "difference")]
        assert found == pytest.approx([want["probability"], want["other_probability"], want["difference"]])
        assert 0 < row["p"] <= 1  # type: ignore[operator]
    n = [instances_of(data.scope(runs[0].id, condition=name)) for name in (one, two)]
    assert f"n = {n[0]} and {n[1]} instances; p: two-sided" in table.note
    assert f"of {len(table.rows):,} nodes differ at a false discovery rate of 5%" in table.note


def test_two_runs_are_compared_by_accuracy_qoi_and_g(
    store: Store, data: Data, runs: list[RunDirectory]
) -> None:
    outcomes = make("compare", store, run=runs[0].id, other=runs[1].id)[0]
    pairs = list(zip(*([e for _, e in data.evaluated(run.id)] for run in runs[:2]), strict=True))
    accuracy, qoi, total = outcomes.records()
    assert [row["instances"] for row in outcomes.records()] == [24, 24, 24]
    differences = [a["qoi"] - b["qoi"] for a, b in pairs]
    assert_interval(qoi["difference"], resampled(differences))
    assert value_of(accuracy["difference"]) == pytest.approx(
        sum(a["is_correct"] - b["is_correct"] for a, b in pairs) / 24
    )
    sums = [sum(p["total_influence"] for p in data.scope(run.id, "embedding")) / 24 for run in runs[:2]]
    assert [value_of(cell) for cell in list(total.values())[1:3]] == pytest.approx(sums)
    assert "by flipping the signs of the differences (9,999 draws)" in outcomes.note


def test_paths_of_unlike_graphs_are_not_compared_but_outcomes_are(tmp_path: Path) -> None:
    runs = [make_run(tmp_path), make_run(tmp_path, model="toy2-0", layers=2, seed=1)]
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add(runs)
        [outcomes] = make("compare", store, run=runs[0].id, other=runs[1].id)
        given: dict[str, Any] = {"run": runs[0].id, "other": runs[1].id}
        for name in ("compare-runs", "compare-instances"):
            with pytest.raises(UsageError, match="do not compare, since their models have unlike graphs"):
                ask(name, store, **given)
    assert len(outcomes.rows) == 3
    assert "unlike graphs; accuracy, QoI and g do" in outcomes.note


def test_runs_without_a_common_instance_are_not_compared(tmp_path: Path) -> None:
    runs = [make_run(tmp_path), make_run(tmp_path, model="toy2-0", dataset="ra-ga", layers=2, seed=1)]
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add(runs)
        with pytest.raises(UsageError, match=r"no instance in common here; the paths of .* unlike graphs"):
            make("compare", store, run=runs[0].id, other=runs[1].id)


def test_runs_of_unlike_quantities_are_compared_with_a_caution(tmp_path: Path) -> None:
    first = make_run(tmp_path)
    second = make_run(tmp_path, seed=1, qoi="logit:1")
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([first, second])
        notes = [make("compare", store, run=first.id, other=run.id)[0].note for run in (first, second)]
    assert "caution" not in notes[0]
    assert "caution: the quantities of interest differ (correct-wrong and logit:1)" in notes[1]


def test_stability_is_the_mean_overlap_of_the_first_k() -> None:
    certain = csr_array(np.array([[9.0, 5.0, 0.0, 0.0]] * 6))
    assert first(list("abcd"), certain, 2) == (["a", "b"], 1.0)
    assert first(list("abcd"), certain, 3) == (["a", "b", "c"], None)  # over half of all
    random = np.random.default_rng(2).random((12, 30))
    names, stability = first(list(range(30)), csr_array(random), 5)
    drawn = np.random.default_rng(0).multinomial(12, [1 / 12] * 12, 1000)[:100]
    tops = [set(np.argsort(-(row @ random))[:5].tolist()) for row in drawn]
    assert stability == pytest.approx(np.mean([len(set(names) & t) / len(set(names) | t) for t in tops]))
    assert stability is not None
    assert stability < 0.8
    assert "caution" in stability_note(5, stability)
    assert "caution" not in stability_note(5, 0.8)
    assert stability_note(5, None) == ""


def test_columns_have_identifiers_for_programs(store: Store, runs: list[RunDirectory]) -> None:
    for name in ("heads", "overview", "entropy", "words"):
        for table in make(name, store, run=runs[0].id):
            assert all(key.isidentifier() for key in table.keys)
            assert len(set(table.keys)) == len(table.columns)
