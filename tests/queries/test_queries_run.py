"""Running templates and a user's own Cypher: what parameters become, and what is refused."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.remade import remade

from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import Run
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.binding import resolve_level, resolve_run
from ipgraph.queries.language.browser import browser_script
from ipgraph.queries.language.registry import template
from ipgraph.queries.language.running import Rows, ask, run_cypher

pytestmark = pytest.mark.xdist_group("queries")


def write(folder: Path, body: str, *, head: str = "", columns: str = "word: The word.") -> Path:
    """Write a user's template called mine; return its folder."""
    start = "// title: Mine\n// description: Mine.\n// parameters:\n//   run: run = newest  The run.\n"
    (folder / "mine.cypher").write_text(
        f"{start}{head}// columns:\n//   {columns}\n{body}\n", encoding="utf-8"
    )
    return folder


class Listing:
    """A store that only says which runs it has."""

    location = "bolt://lab"

    def __init__(self, *runs: Run) -> None:
        self._runs = list(runs)

    def runs(self) -> list[Run]:
        return self._runs


def test_a_store_is_given_open_or_by_its_path(
    filled: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ask("accuracy", store).rows
    assert rows
    assert ask("accuracy", filled).rows == ask("accuracy", str(filled)).rows == rows
    monkeypatch.setenv("IPGRAPH_STORE", str(filled))
    assert ask("accuracy").rows == rows


def test_rows_come_by_name_and_as_a_data_frame(store: Store, runs: list[RunDirectory]) -> None:
    rows = ask("heads-by-traversal", store, run=runs[0].id, level="attention", limit=4)
    assert rows.columns[:3] == ["layer", "head", "patterns"]
    assert rows.records() == list(rows) == [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    assert len(rows) == 4
    frame = rows.to_pandas()
    assert list(frame.columns) == rows.columns
    assert frame["patterns"].tolist() == [row["patterns"] for row in rows]
    assert rows.parameters == {
        "run": runs[0].id,
        "level": "attention",
        "subtask": "",
        "condition": "",
        "role": "",
        "sign": 0,
        "layer": 0,
        "rank": "count",
        "limit": 4,
    }
    assert "$limit" in rows.cypher


def test_the_run_is_the_newest_complete_one_or_a_unique_prefix(runs: list[RunDirectory]) -> None:
    first, second, third = (directory.run for directory in runs)
    half = replace(third, state="loading")
    listing: Any = Listing(half, second, first)
    assert resolve_run(listing) == resolve_run(listing, "newest") == resolve_run(listing, "") == second
    assert resolve_run(listing, first.id) == resolve_run(listing, first.id[:6]) == first
    longer = replace(first, id=first.id + "0")
    assert resolve_run(Listing(longer, first), first.id) == first  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"run {third.id[:7]!r} is only partly loaded into bolt://lab"):
        resolve_run(listing, third.id[:7])
    with pytest.raises(UsageError, match="is partly removed from bolt://lab; load it again, or delete it"):
        resolve_run(Listing(replace(half, state="removing"), second), third.id)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="several runs in bolt://lab begin with 'r': "):
        resolve_run(listing, "r")
    with pytest.raises(UsageError, match="unknown run 'x1'; valid, nearest first: r"):
        resolve_run(listing, "x1")
    named = Listing(replace(first, label="mine"), replace(second, label="its"))
    assert resolve_run(named, "mine").id == first.id  # type: ignore[arg-type]
    twice = Listing(replace(first, label="mine"), replace(second, label="mine"))
    with pytest.raises(UsageError, match=f"have the label 'mine': {min(first.id, second.id)}, "):
        resolve_run(twice, "mine")  # type: ignore[arg-type]
    for empty in (Listing(), Listing(half)):
        with pytest.raises(UsageError, match="bolt://lab holds no complete run; make one by `ipgraph ingest"):
            resolve_run(empty)  # type: ignore[arg-type]


def test_a_store_that_does_not_exist_yet_holds_no_run(tmp_path: Path) -> None:
    absent = tmp_path / "absent.db"
    with pytest.raises(UsageError, match=f"there is no store {re.escape(str(absent))}; make one by `ipgraph"):
        ask("accuracy", absent)


def test_the_level_is_the_finest_that_every_run_has(store: Store, runs: list[RunDirectory]) -> None:
    both, _, embedding = (directory.run for directory in runs)
    assert resolve_level([both]) == resolve_level([both], "finest") == "attention"
    assert resolve_level([both, embedding]) == resolve_level([embedding]) == "embedding"
    rows = ask("compare-runs", store, run=both.id, other=embedding.id)
    assert rows.parameters["level"] == "embedding"
    assert rows.rows
    with pytest.raises(UsageError, match=f"no patterns at attention level in {embedding.id}; extract both"):
        ask("skip-share", store, run=embedding.id)
    with pytest.raises(UsageError, match=f"the runs {both.id}, {embedding.id} have patterns at no level in"):
        resolve_level([replace(both, level="attention"), embedding])
    with pytest.raises(
        UsageError, match="unknown level 'atention'; valid, nearest first: attention, embedding"
    ):
        ask("node-probability", store, run=both.id, level="atention")
    with pytest.raises(
        UsageError, match=r"the query skip-share: the parameter level is 'embedding'; valid: att"
    ):
        ask("skip-share", store, level="embedding")


def test_an_instance_is_named_by_id_row_or_prefix(store: Store) -> None:
    every = ask("instances", store, limit=100).records()
    for named in every[:3]:
        digest = named["instance"].partition(":")[2]
        for name in (named["instance"], named["name"], named["instance"][:-1], digest[:9]):
            found = ask("instance", store, instance=name).records()
            assert [row["instance"] for row in found] == [named["instance"]], name
    with pytest.raises(UsageError, match="instance 'sva-obj:' names 24 instances of run"):
        ask("instance", store, instance="sva-obj:")
    with pytest.raises(UsageError, match="has no instance 'nothing'; `ipgraph query run instances --run r"):
        ask("instance", store, instance="nothing")
    with pytest.raises(UsageError, match="has no instance ''"):
        ask("instance", store, instance="")


def test_a_rows_own_name_is_found_beside_any_number_of_ids_that_begin_so(
    location: str, runs: list[RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipgraph.queries.language.binding._MOST", 5)
    last = max(i.id for i in runs[0].records("instances"))
    named = remade(runs[0], tmp_path, instances=lambda i: replace(i, name="sva-obj") if i.id == last else i)
    with open_store(location) as store:
        store.add([named])
        (found,) = ask("instance", store, run=named.id, instance="sva-obj").records()
        assert found["instance"] == last
        with pytest.raises(UsageError, match="instance 'sva-obj:' names 5 or more instances of run"):
            ask("instance", store, instance="sva-obj:")


def test_what_the_newest_run_lacks_is_said_with_another_run_to_name(
    location: str, runs: list[RunDirectory], tmp_path: Path
) -> None:
    plain = remade(runs[0], tmp_path / "plain", predictions=lambda e: replace(e, roles=[""] * len(e.roles)))
    with open_store(location) as store:
        store.add([runs[0], plain])
        newest, older = store.runs()
        hint = r"\(that is the newest run; `ipgraph run list --store .*` lists the others\)$"
        with pytest.raises(UsageError, match=f"has no instance 'nothing'.*{hint}"):
            ask("instance", store, instance="nothing")
        with pytest.raises(UsageError, match=r"has layers 1 to \d+; you asked for 99$"):
            ask("heads-by-traversal", store, run=newest.id, layer=99)
        store.remove(older.id)
        with pytest.raises(UsageError, match=r"has no instance 'nothing'; .* lists them$"):
            ask("instance", store, instance="nothing")


def test_layers_and_heads_that_the_model_does_not_have_are_refused(
    location: str, runs: list[RunDirectory]
) -> None:
    layers, heads, of = runs[0].run.layers, runs[0].run.heads, f"the model of run {runs[0].id} has"
    with open_store(location) as store:
        store.add([runs[0]])

        def through(layer: int, head: int) -> Rows:
            return ask("instances-through-head", store, role="subject", layer=layer, head=head)

        assert through(layers, heads).parameters["layer"] == layers
        with pytest.raises(UsageError, match=f"^{of} layers 1 to {layers}; you asked for {layers + 1}$"):
            through(layers + 1, 1)
        with pytest.raises(UsageError, match=f"{of} heads 1 to {heads}; you asked for {heads + 1}$"):
            through(1, heads + 1)
        with pytest.raises(UsageError, match="the parameter head is 0; it must be at least 1"):
            through(1, 0)
        with pytest.raises(UsageError, match=f"^{of} layers 1 to {layers}; "):
            ask("heads-by-traversal", store, layer=layers + 1)
        assert ask("heads-by-traversal", store, layer=0).rows


def test_names_that_the_run_does_not_have_are_refused(
    location: str, runs: list[RunDirectory], tmp_path: Path
) -> None:
    where = f"in run {runs[0].id}"
    plain = remade(runs[0], tmp_path / "plain", predictions=lambda e: replace(e, roles=[""] * len(e.roles)))
    with open_store(location) as store:
        store.add([runs[0], plain])
        with pytest.raises(
            UsageError, match=f"unknown role 'subjekt' {where}; valid, nearest first: subject"
        ):
            ask("merges", store, run=runs[0].id, role="subject", other_role="subjekt")
        with pytest.raises(UsageError, match=f"unknown condition 'plural' {where}; .*first: plural-plural"):
            ask("skip-share", store, run=runs[0].id, condition="plural")
        with pytest.raises(UsageError, match=f"unknown subtask 'sva' {where}; valid, nearest first: object"):
            ask("instances", store, run=runs[0].id, subtask="sva")
        with pytest.raises(UsageError, match=f"run {plain.id} have no roles; leave out role 'subject'"):
            ask("skip-share", store, run=plain.id, role="subject")
        assert ask("skip-share", store, run=plain.id, condition="plural-plural", role="").rows


def test_values_become_the_declared_type(store: Store, tmp_path: Path) -> None:
    lines = ("k: int 1.. = 3", "x: float = 1", "yes: bool = true", "ks: int[] = []", 'w: string = ""')
    names = ("k", "x", "yes", "ks", "w")
    head = "".join(f"//   {line}  It.\n" for line in lines)
    columns = "\n//   ".join(f"{name}_back: It." for name in names)
    body = f"MATCH (r:Run {{id: $run}}) RETURN {', '.join(f'${name} AS {name}_back' for name in names)}"
    folder = write(tmp_path, body, head=head, columns=columns)
    text = ask("mine", store, queries_dir=folder, k="4", x="2.5", yes="False", ks="1, 2", w="5")
    assert text.rows == [[4, 2.5, False, [1, 2], "5"]]
    ours = ask("mine", store, queries_dir=folder, k=np.int64(4), x=2, yes=np.bool_(False), ks=(1, 2), w="5")
    assert ours.rows == [[4, 2.0, False, [1, 2], "5"]]
    assert type(ours.rows[0][1]) is float
    assert ask("mine", store, queries_dir=folder, ks="[7]").rows == [[3, 1.0, True, [7], ""]]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k": "three"}, "the parameter k is 'three', not a whole number"),
        ({"k": 2.0}, "the parameter k is 2.0, not a whole number"),
        ({"k": True}, "the parameter k is True, not a whole number"),
        ({"k": 1}, "the parameter k is 1; it must be at least 2"),
        ({"k": 1 << 63}, "more than 64 bits hold"),
        ({"sign": 2}, "the parameter sign is 2; valid: -1, 0, 1"),
        ({"role": 5}, "the parameter role is 5, not text"),
        ({"lenght": 3}, "unknown parameter 'lenght'; valid, nearest first: role, level"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named_with_the_query(tmp_path: Path, given: Any, says: str) -> None:
    with pytest.raises(UsageError) as raised:  # said before any store is opened
        ask("shared-subpaths", tmp_path / "absent.db", **given)
    assert str(raised.value).startswith("the query shared-subpaths: ")
    assert says in str(raised.value)


def test_a_parameter_without_a_default_must_be_given(store: Store) -> None:
    with pytest.raises(
        UsageError, match=r"the query merges: the parameter role \(role: Role of one word\.\) has no"
    ):
        ask("merges", store)


def test_cypher_that_the_store_refuses_is_said_with_the_file(store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path, "MATCH (r:Run {id: $run}) RETRUN r.id AS word")
    with pytest.raises(UsageError, match=r"mine\.cypher: .*RETRUN"):
        ask("mine", store, queries_dir=folder)
    write(tmp_path, "MATCH (r:Run {id: $run}) CREATE (x:Run {id: 'z'}) RETURN r.id AS word")
    with pytest.raises(UsageError, match=r"mine\.cypher: "):
        ask("mine", store, queries_dir=folder)
    assert not [found for found in store.runs() if found.id == "z"]


def test_columns_must_be_those_the_head_says(store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path, "MATCH (r:Run {id: $run}) RETURN r.id AS name")
    with pytest.raises(
        UsageError, match=r"mine\.cypher: the head says the columns \['word'\], the text returns"
    ):
        ask("mine", store, queries_dir=folder)


def test_a_template_for_another_store_is_refused(store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path, "MATCH (r:Run {id: $run}) RETURN r.id AS word", head="// dialect: neo4j\n")
    with pytest.raises(UsageError, match=r"mine\.cypher: runs on neo4j only, and this store is ladybug"):
        ask("mine", store, queries_dir=folder)
    with pytest.raises(
        UsageError, match="returns paths for Neo4j Browser to draw; paste what `ipgraph query show"
    ):
        ask("picture-of-instance", store, instance="sva-obj-0")


def test_own_cypher_is_bound_and_read_only(store: Store, runs: list[RunDirectory]) -> None:
    text = "MATCH (p:Pattern {run: $run, level: $level}) WHERE p.position < $k "
    text += "RETURN count(*) AS found, [1, 2][$first] AS one"
    rows = run_cypher(text, store, run=runs[0].id[:7], k=np.int32(1))
    assert rows.rows == [[24, 1]]
    assert rows.parameters == {"run": runs[0].id, "level": "attention", "k": 1}
    assert run_cypher("RETURN $names AS names", store, names=("a", "b"), unused=1).rows == [[["a", "b"]]]
    with pytest.raises(UsageError, match=r"the query uses \$k, which was not given$"):
        run_cypher("RETURN $k AS k", store)
    with pytest.raises(UsageError, match="the parameter k is <object"):
        run_cypher("RETURN $k AS k", store, k=object())
    with pytest.raises(UsageError):
        run_cypher("CREATE (x:Run {id: 'z'})", store)
    with pytest.raises(UsageError):
        run_cypher("RETURN 1 AS a; RETURN 2 AS b", store)


def test_a_read_can_be_bounded_in_rows_and_time(store: Store) -> None:
    every = ask("instances", store)
    assert (len(every), every.cut) == (20, False)
    few = ask("instances", store, max_rows=3, timeout_s=60)
    assert (few.rows, few.cut) == (every.rows[:3], True)
    assert "max_rows" not in few.parameters
    text = "UNWIND range(1, 9) AS n RETURN n"
    assert run_cypher(text, store, max_rows=9).rows == [[n] for n in range(1, 10)]
    assert run_cypher(text, store, max_rows=4).cut
    endless = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN max(a * b % 7) AS most"
    with pytest.raises(IpgraphError, match=r"longer than its timeout of 0\.2 s"):
        run_cypher(endless, store, timeout_s=0.2)


def test_browser_script_with_a_store_says_what_is_bound(store: Store, runs: list[RunDirectory]) -> None:
    script = browser_script(template("shared-subpaths"), store, run=runs[1].id[:8], k=4)
    assert f':param run => "{runs[1].id}";' in script.splitlines()
    assert ":param first => 0;" in script.splitlines()
    assert ":param k => 4;" in script.splitlines()
