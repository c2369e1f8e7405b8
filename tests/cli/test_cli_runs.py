"""`ipgraph run`, `cite`, `store`, `show` and `dataset`."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
from support.cli_runs import Folder, folder, invoke, own, shared_folder
from support.cli_runs import rows as json_rows
from support.cli_runs import tables as json_tables
from support.fixtures import make_measures, make_run
from support.remade import remade

from ipgraph.cli.commands.cite import paragraph
from ipgraph.cli.known_runs import KnownRun, layers_in_words
from ipgraph.extractor.tracing.sampling import _LEAST_CHANGE, LADDER
from ipgraph.graphstore.opening import open_store

__all__ = ["folder", "own", "shared_folder"]


def listed() -> dict[str, dict[str, object]]:
    return {row["run"]: row for row in json_rows("run", "list")}


def test_run_list_says_where_each_run_is(own: Folder) -> None:
    first, second = own.runs
    unfinished = make_run(Path("runs"), seed=2, finish=False)
    shutil.rmtree(second.path)
    with open_store("ipgraph.db") as store:
        store.remove(first.id)
    rows = listed()
    assert {key: row["where"] for key, row in rows.items()} == {
        first.id: f"runs/{first.id}",
        second.id: "store",
        unfinished.id: f"runs/{unfinished.id}",
    }
    assert rows[unfinished.id]["state"] == "2 of 3 shards"
    assert rows[first.id]["patterns"] == first.run.patterns == 456


def test_a_run_that_is_partly_in_the_store_is_listed_as_such(folder: Folder) -> None:
    record = folder.runs[0].run
    for state, loaded, shown in (
        ("complete", record.patterns, "store"),
        ("loading", 200, f"store (loading, 200 of {record.patterns} patterns)"),
        ("removing", -1, "store (removing)"),
    ):
        assert KnownRun(record.id, replace(record, state=state, loaded=loaded), None).where == shown


def test_run_show_has_every_field_and_the_skipped_rows(folder: Folder) -> None:
    one = folder.runs[0]
    facts, skipped = json_tables("run", "show", one.id[:8])
    shown = {row["what"]: row["value"] for row in facts["rows"]}
    assert shown["layers"] == one.run.layers
    assert shown["settings.seed"] == 0
    assert shown["environment.device"] == "cpu"
    assert shown["graph"] == "3 layers of 4 heads"
    assert skipped["rows"] == [{"rows": 1, "reason": "no [MASK]", "example": "toy.jsonl:7"}]


def test_layers_that_see_differently_are_told_apart() -> None:
    wide: dict[str, object] = {"heads": 8, "behind": None, "ahead": None, "stack": 1, "reads": 1}
    local, last = wide | {"behind": 64, "ahead": 0}, wide | {"heads": 1}
    said = layers_in_words([local, local, wide, last])
    assert said == "2 layers of 8 heads (behind 64, ahead 0); 1 layer of 8 heads; 1 layer of 1 head"


def test_run_diff_shows_just_what_differs(folder: Folder) -> None:
    first, second = folder.runs
    rows = json_rows("run", "diff", first.id, second.id)
    seeds = next(row for row in rows if row["what"] == "settings.seed")
    assert (seeds[first.id], seeds[second.id]) == (0, 1)
    assert not {"model", "layers", "id", "environment.device"} & {row["what"] for row in rows}
    assert json_rows("run", "diff", first.id, str(first.path)) == []


def test_run_delete_keeps_the_directory_unless_told(own: Folder) -> None:
    first, second = own.runs
    refused = invoke("run", "delete", first.id, code=2).stderr
    assert refused == f"error: this would delete run {first.id} from the store; pass --yes to confirm\n"
    assert listed()[first.id]["where"] == f"runs/{first.id}, store"
    invoke("run", "delete", first.id, "--yes")
    assert listed()[first.id]["where"] == f"runs/{first.id}"
    assert "--files" in invoke("run", "delete", first.id, "--yes", code=2).stderr
    invoke("run", "delete", str(second.path), "--yes", "--files")
    assert list(listed()) == [first.id]
    assert not second.path.exists()


def test_an_unknown_run_is_named_with_the_known_ones(folder: Folder) -> None:
    for command in (("run", "show"), ("cite",), ("ingest", "run")):
        stderr = invoke(*command, "rnothing", code=2).stderr
        assert all(one.id in stderr for one in folder.runs)


def test_cite_says_what_a_methods_section_needs(folder: Folder) -> None:
    one = folder.runs[0]
    text = invoke("cite", one.id).stdout
    for part in (
        one.id,
        "masked language model toy (3 layers, 4 heads; toy-0123456789ab)",
        "on 24 sentences of sva-obj (1 more could not be used)",
        "guided pattern refinement at the embedding and the attention level",
        "with 50 points between it and the input",
        "Settings that determine the numbers",
        "  seed: 0\n",
        "@inproceedings{lu2021influence",
        "arXiv:2011.00740",
        "@software{ipgraph",
    ):
        assert part in text


def test_cite_names_the_paper_of_the_method(own: Folder) -> None:
    one = make_run(Path("runs"), method="attention", level="embedding")
    text = invoke("cite", one.id).stdout
    assert "by the method attention (Abnar and Zuidema 2020) at the embedding level" in text
    assert [line for line in text.split("\n") if line.startswith("@")] == [
        "@inproceedings{lu2021influence,",
        "@inproceedings{abnar2020quantifying,",
        "@software{ipgraph,",
    ]


def test_loading_again_adds_nothing(own: Folder) -> None:
    info = invoke("store", "info", "--format", "json").stdout
    paths = [str(one.path) for one in own.runs]
    assert f"already there  {', '.join(one.id for one in own.runs)}" in invoke("ingest", "run", *paths).stdout
    assert "added          no run\n" in invoke("ingest", "run", *(one.id[:7] for one in own.runs)).stdout
    assert invoke("store", "info", "--format", "json").stdout == info
    pushed = invoke("ingest", "run", own.runs[0].id, "--store", "other.db").stdout
    assert f"added          {own.runs[0].id}\n" in pushed
    assert json_rows("store", "info", "--store", "other.db") != []


def test_store_info_counts_what_the_runs_hold(folder: Folder) -> None:
    rows = json_rows("store", "info")
    shown = {row["what"]: row["value"] for row in rows}
    assert shown["Run"] == 2
    assert shown["Instance"] == 24
    assert shown["Pattern"] == sum(one.run.patterns for one in folder.runs)
    assert shown["THROUGH"] == sum(one.run.steps for one in folder.runs)


def test_store_check_passes_then_names_what_differs(own: Folder) -> None:
    assert "no problems in ipgraph.db: 2 runs, 2 of them compared" in invoke("store", "check").stdout
    assert json_rows("store", "check") == []
    own.runs[0].write_measures(make_measures(own.runs[0]))
    result = invoke("store", "check", code=1)
    assert own.runs[0].id in result.stdout
    assert "error: " in result.stderr


def test_store_rebuild_keeps_runs_without_a_directory(own: Folder) -> None:
    first, second = own.runs
    before = json_rows("query", "run", "skip-share", "-p", f"run={second.id}")
    second.delete()
    assert "1 run from runs, 1 kept from the old store" in invoke("store", "rebuild").stdout
    assert {key: row["where"] for key, row in listed().items()} == {
        first.id: f"runs/{first.id}, store",
        second.id: "store",
    }
    after = json_rows("query", "run", "skip-share", "-p", f"run={second.id}")
    assert after == before


def test_show_draws_an_instance_by_id_name_or_beginning(folder: Folder) -> None:
    (instance, *_) = folder.runs[0].records("instances")
    texts = [
        invoke("show", name, "--run", folder.runs[0].id).stdout
        for name in (instance.id, instance.name, instance.id[:14])
    ]
    assert texts[0] == texts[1] == texts[2]
    lines = texts[0].split("\n")
    assert lines[0] == instance.text
    assert instance.id in lines[1]
    assert lines[1].endswith(f"; run {folder.runs[0].id}")
    assert [line[:2] for line in lines if line[:2].strip().isdecimal() and "·" in line] == [
        " 3",
        " 2",
        " 1",
        " 0",
    ][-4:]


def test_show_judges_no_instance_without_a_label(own: Folder) -> None:
    unlabelled = remade(
        own.runs[0], own.path / "runs", predictions=lambda row: replace(row, label_is_predicted=True)
    )
    invoke("ingest", "run", unlabelled.id)
    instance = next(iter(unlabelled.records("instances"))).id
    judged, not_judged = (
        invoke("show", instance, "--run", run.id).stdout for run in (own.runs[0], unlabelled)
    )
    assert ": right, QoI" in judged or ": wrong, QoI" in judged
    assert "; no label, QoI" in not_judged


def test_show_lists_each_path_as_the_run_has_it(folder: Folder) -> None:
    one = folder.runs[0]
    (instance, *_) = one.records("instances")
    text = invoke("show", instance.id, "--run", one.id, "--level", "attention").stdout
    patterns = [p for p in one.records("patterns") if p.instance == instance.id and p.level == "attention"]
    assert len(patterns) > 3
    for pattern in patterns:
        line = next(x for x in text.split("\n") if x.split()[:2] == [str(pattern.position), pattern.token])
        assert f"{pattern.total_influence:+.3f}" in line
        assert f"{pattern.influence:+.3f}" in line
        heads = [part for part in pattern.route.split() if part[0] == "h"]
        path = line.split()[5:]
        assert len(path) == one.run.layers
        assert [int(hop.split(">")[0]) for hop in path if hop != "skip"] == [int(h[4:6]) for h in heads]


def test_show_as_json_gives_the_steps(folder: Folder) -> None:
    one = folder.runs[0]
    (instance, *_) = one.records("instances")
    rows = json_rows("show", instance.id, "--run", one.id)
    routes: dict[int, list[str]] = {}
    for row in rows:
        routes.setdefault(row["position"], []).append(row["label"])
    expected = {
        p.position: p.route.split()
        for p in one.records("patterns")
        if p.instance == instance.id and p.level == "attention"
    }
    assert routes == expected


def test_dataset_list_and_show(tmp_path: Path) -> None:
    names = [row["name"] for row in json_rows("dataset", "list")]
    assert {
        "sva-obj",
        "sva-subj",
        "sva-wsc",
        "sva-app",
        "ra-na",
        "ra-ga",
        "sva",
        "ra",
        "all",
        "sentiment",
    } <= set(names)
    sizes, examples = json_tables("dataset", "show", "ra-ga")
    assert sum(row["sentences"] for row in sizes["rows"]) == 1000
    assert len(examples["rows"]) == 4
    assert all(len(row["text"].split()) == len(row["roles"]) for row in examples["rows"])


def test_dataset_show_reports_the_bad_rows_of_a_file(tmp_path: Path) -> None:
    good = '{"text": "the boy [MASK] old", "correct": "is", "wrong": "are"}'
    (tmp_path / "mine.jsonl").write_text(f'{good}\n{{"text": "no mask", "correct": "is", "wrong": "are"}}\n')
    *_, skipped = json_tables("dataset", "show", str(tmp_path / "mine.jsonl"))
    (row,) = skipped["rows"]
    assert (row["rows"], row["example"]) == (1, "mine.jsonl:2")
    assert "[MASK]" in row["reason"]


def test_dataset_show_takes_names_roles_and_columns_and_names_what_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('Title,Body,Class\nx,"good, film",pos\ny,bad,neg\nz,worst,neg\n')
    options = ("--column", "text=body", "--roles", "quality work", "--name", "films")
    head, examples, columns, skipped = json_tables("dataset", "show", str(tmp_path / "t.csv"), *options)
    assert head["title"] == "films (classifier)"
    assert [(row["text"], row["expected"]) for row in examples["rows"]] == [("good, film", "pos")]
    assert [(row["column"], row["read_as"]) for row in columns["rows"]] == [
        ("Body", "text"),
        ("Class", "label"),
        ("Title", "not read"),
    ]
    (reason,) = skipped["rows"]
    assert (reason["rows"], reason["example"]) == (2, "t.csv:3")


def test_export_is_what_networkx_reads(folder: Folder, tmp_path: Path) -> None:
    one = folder.runs[0]
    path = tmp_path / "graph.graphml"
    invoke("store", "export", str(path), "--run", one.id[:8])
    graph = nx.read_graphml(path)
    types = Counter(facts["type"] for _, facts in graph.nodes(data=True))
    assert (types["Run"], types["Instance"], types["Pattern"]) == (1, 24, one.run.patterns)
    assert "exists" in invoke("store", "export", str(path), code=2).stderr
    other = str(tmp_path / "other.graphml")
    assert "has no instance 'zzz'" in invoke("store", "export", other, "--instance", "zzz", code=2).stderr


def test_nothing_in_a_run_moves_the_terminals_cursor(own: Folder) -> None:
    evil = remade(
        own.runs[0],
        own.path / "runs",
        predictions=lambda row: replace(
            row, tokens=["\x1b[2J\u202e", *row.tokens[1:]], words=["\x1b[2J\u202e", *row.words[1:]]
        ),
        patterns=lambda row: replace(row, word="\x1b[2J\u202e"),
    )
    invoke("ingest", "run", evil.id)
    name = next(iter(evil.records("instances"))).id
    words = "MATCH (p:Pattern {run: $run}) RETURN DISTINCT p.word AS word"
    shown = (
        invoke("show", name, "--run", evil.id).output
        + invoke("query", "cypher", words, "-p", f"run={evil.id}").output
    )
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2J\\u202e" in shown
    assert "\x1b" not in invoke("run", "show", "\x1b[2J", code=2).output


def test_cite_says_when_a_sentence_counts_as_settled(folder: Folder) -> None:
    sampled: dict[str, Any] = {
        "tolerance": 0.01,
        "n_steps": 0,
        "quadrature": "gauss-legendre",
        "unsettled": 3,
    }
    run = replace(folder.runs[0].run, settings=json.dumps({"ladder": LADDER, "in_a_row": 1}), **sampled)
    said = paragraph(run, "0.1.0")
    assert f"within 0.01 of it or, where it is smaller than {_LEAST_CHANGE}, of {_LEAST_CHANGE} (3 of" in said


def test_a_run_that_is_damaged_stops_no_command_on_others(own: Folder) -> None:
    first, second = own.runs
    (first.path / "run.json").write_text('{"schema_version": 5, "shards": [[]]}')
    assert set(listed()) == {first.id, second.id}  # the store has the first one still
    invoke("run", "show", second.id)


def test_a_check_names_damaged_runs_and_fails(own: Folder) -> None:
    damaged, sound = own.runs
    (damaged.path / "run.json").write_text('{"schema_version": 5, "shards": [[]]}')
    result = invoke("store", "check", "--format", "json", code=1)
    [problem] = json.loads(result.stdout)["tables"][0]["rows"]
    assert problem["where"] == f"runs/{damaged.id}"
    assert "run.json is damaged" in problem["what"]
    assert "1 problem in runs" in result.stderr
    shutil.rmtree(sound.path / "shards")
    assert {
        row["where"]
        for row in json.loads(invoke("store", "check", "--format", "json", code=1).stdout)["tables"][0][
            "rows"
        ]
    } == {
        f"runs/{damaged.id}",
        f"run {sound.id}",
    }
