"""Reports on methods that score tokens, recomputed by pandas and scipy from run directories; default runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy, gmean, spearmanr
from support.attributed import ENCODER_DECODER, make_attributed
from support.cells import value_of
from support.expected_data import Data
from support.expected_scores import arrays_of, contributions, tokens_of, with_ranks
from support.fixtures import make_run
from support.query_runs import with_pieces
from support.remade import remade

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.needs import PATTERNS
from ipgraph.queries.language.running import ask, run_cypher
from ipgraph.queries.reports.registry import REPORTS, make
from ipgraph.queries.reports.tables import Table

pytestmark = pytest.mark.xdist_group("queries")

METHODS = ("hta", "flow", "rollout", "saliency", "alti")


@pytest.fixture(scope="module")
def scored(root: Path) -> dict[str, RunDirectory]:
    """A run of paths, then newer ones of methods that score tokens, by method."""
    made = {"gpr": make_run(root)}
    plain = {method: make_attributed(root / "plain", method=method) for method in METHODS}
    return made | {method: remade(run, root, predictions=with_pieces) for method, run in plain.items()}


@pytest.fixture(scope="module")
def scores(scored: dict[str, RunDirectory], root: Path) -> Iterator[Store]:
    with open_store(root / "scores.db") as store:
        store.add(list(scored.values()))
        yield store


@pytest.fixture(scope="module")
def data(scored: dict[str, RunDirectory]) -> Data:
    return Data.of(*scored.values())


def titled(tables: list[Table], title: str) -> Table:
    [found] = [table for table in tables if table.title == title]
    return found


# Which run is taken


def test_what_reads_patterns_takes_a_run_of_paths_though_others_are_newer(
    scores: Store, scored: dict[str, RunDirectory]
) -> None:
    paths = scored["gpr"].id
    assert scores.runs()[-1].id == paths
    for name in ("skip-share", "instances", "accuracy", "completeness"):
        assert ask(name, scores).parameters["run"] == paths
    assert run_cypher("MATCH (p:Pattern {run: $run}) RETURN count(p) > 0 AS n", scores).rows == [[True]]
    for name in ("overview", "quality", "words", "entropy"):
        assert f"run {paths}" in " ".join(f"{t.title} {t.note}".lower() for t in make(name, scores))


def test_what_reads_scores_or_views_takes_the_newest_run_that_has_them(
    scores: Store, scored: dict[str, RunDirectory]
) -> None:
    assert ask("attributions", scores).parameters["run"] == scored["alti"].id
    assert ask("head-views", scores).parameters["run"] == scored["hta"].id
    assert make("flow", scores)[0].title == f"Run {scored['flow'].id}"  # though that of rollout is newer
    assert make("flow", scores, run=scored["rollout"].id)[0].title == f"Run {scored['rollout'].id}"
    assert make("full-story", scores)[0].title == f"Run {scored['hta'].id}"


def test_a_run_that_lacks_what_is_read_is_refused_with_one_that_has_it(
    scores: Store, scored: dict[str, RunDirectory]
) -> None:
    flow, paths = scored["flow"].id, scored["gpr"].id
    with pytest.raises(UsageError, match=f"run {flow} has no patterns: its method is flow; .* as {paths}"):
        ask("skip-share", scores, run=flow)
    with pytest.raises(UsageError, match=f"run {flow} has no views of heads: .*such as {scored['hta'].id}"):
        ask("head-views", scores, run=flow)
    with pytest.raises(UsageError, match=f"run {flow} has no patterns"):
        make("words", scores, run=flow)
    of = "is not of flow, rollout or flow_shapley: its method is gpr"
    with pytest.raises(UsageError, match=f"run {paths} {of}; name another run, such as {flow}"):
        make("flow", scores, run=paths)
    text = "MATCH (r:Run {id: $run}) OPTIONAL MATCH (r)-[:PRODUCED]->(p:Pattern) RETURN count(p) AS n"
    assert run_cypher(text, scores, run=flow).rows == [[0]]


def test_another_run_to_name_is_of_the_same_model_and_dataset(scored: dict[str, RunDirectory]) -> None:
    flow = scored["flow"].run
    same = replace(scored["gpr"].run, model=flow.model, dataset=flow.dataset)
    runs = [replace(same, id="r2", model="other-0123456789ab"), replace(same, id="r3", dataset="other"), same]
    runs.insert(0, replace(same, id="r4", level="embedding"))  # not every query can read it
    assert PATTERNS.remedy(runs, "x.db", flow) == f"name another run, such as {same.id}"
    assert PATTERNS.remedy(runs[1:2], "x.db", flow) == "name another run, such as r2"


def test_a_store_without_such_a_run_is_told_how_to_make_one(run: RunDirectory, loaded: Path) -> None:
    with open_store(loaded) as store:
        make_one = f"make one by `ipgraph ingest dataset {run.run.dataset} --method"
        with pytest.raises(UsageError, match=f"is of alti, alti_l2, norm or globenc; {make_one} alti"):
            make("alti", store)
        with pytest.raises(UsageError, match=f"no run of .* has views of heads; {make_one} hta"):
            ask("head-views", store)


# What the reports say


def test_roles_get_their_share_of_the_scores(
    scores: Store, data: Data, scored: dict[str, RunDirectory]
) -> None:
    for name, method in (("flow", "flow"), ("alti", "alti"), ("scores", "saliency")):
        tokens = with_ranks(tokens_of(data, scored[method].id)).assign(one=1.0)
        tokens["part"] = tokens["one"] / tokens.groupby("instance")["one"].transform("sum")
        rows = {
            str(row["role"]): row
            for row in titled(make(name, scores, run=scored[method].id), "Scores by role").records()
        }
        groups = {role: tokens[tokens["role"] == role] for role in set(tokens["role"])}
        groups |= {
            "all words": tokens[tokens["index"] >= 0],
            "all special tokens": tokens[tokens["index"] < 0],
        }
        assert set(rows) == set(groups)
        for role, group in groups.items():
            row = rows[role]
            assert value_of(row["of the scores"]) == pytest.approx(group["share"].sum() / 24)
            assert row["of the tokens"] == pytest.approx(group["part"].sum() / 24)
            assert value_of(row["mean rank"]) == pytest.approx(group["place"].mean())
            assert (row["tokens"], row["instances"]) == (len(group), group["instance"].nunique())
        assert list(rows)[-2:] == ["all special tokens", "all words"]


def test_the_spread_is_that_of_scores_above_zero(
    scores: Store, data: Data, scored: dict[str, RunDirectory]
) -> None:
    found = list(data.scored(data.attributions, scored["flow"].id))
    above = [np.array([score for score in row["scores"] if score > 0]) for _, _, row in found]
    words = [
        np.array([s for s, k in zip(row["scores"], e["word_indices"], strict=True) if s > 0 and k >= 0])
        for _, e, row in found
    ]
    bits = np.array([entropy(one, base=2) for one in above])
    bounds = np.array([np.log2(len(one)) for one in above])
    shares = np.where(bounds > 0, bits / np.where(bounds > 0, bounds, 1), 1)
    ratios = [gmean([one.max() / one.min() if one.size else 1 for one in many]) for many in (above, words)]
    wanted = [*ratios, bits.mean(), bounds.mean(), shares.mean()]
    shown = [value_of(row[1]) for row in titled(make("flow", scores), "Spread").rows]
    assert shown == pytest.approx(wanted)


def test_minimum_cuts_are_counted_by_layer(
    scores: Store, data: Data, scored: dict[str, RunDirectory]
) -> None:
    cuts = [row["cut_layers"] for _, _, row in data.scored(data.attributions, scored["flow"].id)]
    parts = [[one.count(layer) / sum(map(bool, one)) for layer in (1, 2, 3)] for one in cuts]
    table = titled(make("flow", scores), "By layer")
    assert [value_of(row["minimum cuts"]) for row in table.records()] == pytest.approx(np.mean(parts, 0))
    assert not [t for t in make("flow", scores, run=scored["rollout"].id) if t.title == "By layer"]


def rhos(data: Data, runs: list[str], *, words: bool) -> Iterator[float]:
    """Yield Spearman's rho of two runs' |scores| per instance, without the target's own token."""
    found = zip(*(data.scored(data.attributions, run) for run in runs), strict=True)
    for (_, e, one), (_, _, other) in found:
        kept = [
            k for k, index in enumerate(e["word_indices"]) if k != e["target"] and not (words and index < 0)
        ]
        first, second = ([abs(row["scores"][k]) for k in kept] for row in (one, other))
        yield spearmanr(first, second).statistic


def test_agreement_is_the_mean_of_the_instances_rank_correlations(
    scores: Store, data: Data, scored: dict[str, RunDirectory]
) -> None:
    table = titled(make("flow", scores), "Agreement with the other methods in the store")
    rows = {str(row["method"]): row for row in table.records()}
    assert set(rows) == set(METHODS) - {"flow"}
    for method, row in rows.items():
        runs = [scored["flow"].id, scored[method].id]
        assert (row["run"], row["instances"]) == (runs[1], 24)
        assert value_of(row["all tokens"]) == pytest.approx(np.mean(list(rhos(data, runs, words=False))))
        assert value_of(row["words only"]) == pytest.approx(np.mean(list(rhos(data, runs, words=True))))
    order = [value_of(row["all tokens"]) for row in table.records()]
    assert order == sorted(order, reverse=True)
    assert "the [MASK] itself is left out" in table.note


def test_a_first_token_that_one_of_two_methods_holds_is_left_out(
    scored: dict[str, RunDirectory], root: Path, tmp_path: Path
) -> None:
    flow = remade(scored["flow"], root / "moved", task="causal-lm", move_first=True)
    held = remade(scored["saliency"], root / "held", task="causal-lm", move_first=False)
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([flow, held])
        table = titled(make("flow", store), "Agreement with the other methods in the store")
    data = Data.of(flow, held)
    pairs = zip(data.scored(data.attributions, flow.id), data.scored(data.attributions, held.id), strict=True)
    expected = [
        spearmanr(np.abs(one["scores"][1:]), np.abs(other["scores"][1:])).statistic
        for (_, _, one), (_, _, other) in pairs
    ]
    assert value_of(table.records()[0]["all tokens"]) == pytest.approx(np.mean(expected))
    assert "the first token is left out" in table.note


def test_of_a_method_the_run_of_most_common_instances_is_compared(
    scored: dict[str, RunDirectory], root: Path, tmp_path: Path
) -> None:
    few = remade(scored["saliency"], root / "few", predictions=lambda e: e if e.instance[-1] < "5" else None)
    other = make_attributed(root / "unlike", method="saliency", dataset="letters")
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([scored["flow"], scored["saliency"], other, few])
        [row] = titled(make("flow", store), "Agreement with the other methods in the store").records()
        assert (row["run"], row["instances"]) == (scored["saliency"].id, 24)
        store.remove(scored["saliency"].id)
        [row] = titled(make("flow", store), "Agreement with the other methods in the store").records()
        assert (row["run"], row["instances"]) == (few.id, few.run.instances)
        assert 0 < few.run.instances < 24


def test_the_edges_that_carry_most_are_named_by_role(
    scores: Store, data: Data, scored: dict[str, RunDirectory]
) -> None:
    run = scored["alti"].id
    for own in (False, True):
        table = titled(make("alti", scores, condition="plural-plural", own=own), "Edges that carry most")
        wanted = contributions(data, run, condition="plural-plural", own=own, limit=10)
        found = [
            [row["layer"], *(int(str(row[end]).split()[0]) for end in ("from", "to")), row["mean share"]]
            for row in table.records()
        ]
        assert found == [[row[2], *row[5:7], pytest.approx(row[7])] for row in wanted]
        assert any(row["from"] == row["to"] for row in table.records()) == own
    cells = {str(row[end]) for row in table.records() for end in ("from", "to")}
    assert cells <= {"0 cls", "1 other", "2 subject", "3 verb", "4 verb", "5 other", "6 other"}


def test_edges_of_an_encoder_decoder_say_the_stack(tmp_path: Path) -> None:
    run = make_attributed(tmp_path, method="alti", shape=ENCODER_DECODER)
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([run])
        table = titled(make("alti", store, limit=200), "Edges that carry most")
    ends = {(str(row["from"]).split()[0], str(row["to"]).split()[0]) for row in table.records()}
    assert ends == {("encoder", "encoder"), ("encoder", "decoder"), ("decoder", "decoder")}
    same = [row for row in table.records() if str(row["from"]).split()[1] == str(row["to"]).split()[1]]
    assert {(str(row["from"])[:7], str(row["to"])[:7]) for row in same} == {("encoder", "decoder")}


def test_the_full_story_is_told_by_layer_head_and_pattern(
    scores: Store, data: Data, scored: dict[str, RunDirectory]
) -> None:
    run = scored["hta"].id
    tables = make("full-story", scores)
    divergences, correlations = (arrays_of(data, run, name) for name in ("divergences", "correlations"))
    mixing = np.mean([row["mixing"] for _, _, row in data.scored(data.attributions, run)], 0)
    for row in titled(tables, "Local and global views by layer").records():
        at = int(str(row["layer"])) - 1
        wanted = [divergences[:, at].mean(), correlations[:, at].mean(), mixing[at]]
        assert [value_of(row[name]) for name in ("divergence", "Spearman", "mixing")] == pytest.approx(wanted)
    means = divergences.mean((0, 3))
    ranked = np.argsort(-means, None)[:5]
    heads = [[at // 4 + 1, at % 4 + 1, means.ravel()[at]] for at in ranked]
    table = titled(tables, "Heads whose views differ most")
    assert [[*row[:2], value_of(row[2])] for row in table.rows] == [
        [*head[:2], pytest.approx(head[2])] for head in heads
    ]
    patterns = titled(tables, "Patterns that persist, by layer")
    for k, pattern in enumerate(("previous", "same", "next", "first", "last")):
        for view in ("local", "global"):
            [found] = [row for row in patterns.rows if row[:2] == [pattern, view]]
            masses = arrays_of(data, run, f"{view}_masses")[..., k].mean((0, 2))
            assert found[2:] == pytest.approx(masses.tolist())
    equal = np.mean([1 / len(e["tokens"]) for _, e, _ in data.scored(data.views, run)])
    assert f"equal attention: {equal:.1%}" in patterns.note


def test_equal_attention_in_a_decoder_is_to_no_later_token(
    scored: dict[str, RunDirectory], root: Path, tmp_path: Path
) -> None:
    graph = scored["hta"].run.graph.replace('"ahead":null', '"ahead":0')
    causal = remade(scored["hta"], root / "causal", graph=graph)
    with open_store(tmp_path / "ipgraph.db") as store:
        store.add([causal])
        note = titled(make("full-story", store), "Patterns that persist, by layer").note
    lengths = [len(row.tokens) for row in causal.records("predictions")]
    equal = np.mean([np.tril(np.ones((n, n)) / np.arange(1, n + 1)[:, None])[:, 0].mean() for n in lengths])
    assert f"equal attention to no later token: {equal:.1%} on the own, as on the first" in note


@pytest.mark.parametrize("name", ["scores", "flow", "alti", "full-story"])
def test_a_report_is_explained_and_refuses_names_that_do_not_exist(scores: Store, name: str) -> None:
    report = REPORTS[name]
    assert all(said.endswith(".") for said in (report.summary, *(p.help for p in report.parameters)))
    given: list[dict[str, Any]] = [{"condition": "plura"}, {"subtask": "to"}]
    for one in given:
        [(option, value)] = one.items()
        with pytest.raises(
            UsageError, match=f"unknown {option} '{value}' in run r.*; valid, nearest first: "
        ):
            make(name, scores, **one)
    tables = make(name, scores, condition="plural-plural", limit=1)
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert any("n = 6 instances" in table.note for table in tables)
