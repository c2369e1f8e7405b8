"""`ipgraph evaluate` and the reports of its measures, which need no torch."""

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from support.cli_runs import call, invoke
from support.cli_runs import tables as json_tables
from support.interpreters import imported
from support.tiny_models import save_masked_lm

from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.runs.finding import find_run
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.queries.reports.evaluation import optimality, table1
from ipgraph.queries.reports.figure5 import figure5
from ipgraph.queries.reports.published import TABLE1, TASKS
from ipgraph.queries.reports.registry import REPORTS
from ipgraph.queries.views.evaluated import Estimate

pytestmark = pytest.mark.xdist_group("evaluate")
ROWS = (
    ("agreement", "the farmers that the farmer likes [MASK] old .", "are", "is"),
    ("agreement", "the farmer that the farmers like [MASK] old .", "is", "are"),
    ("negation", "the farmer is [MASK] bad .", "good", "old"),
    ("other", "a farmer likes [MASK] .", "old", "tall"),
)


@dataclass(frozen=True)
class Done:
    """A folder in which a dataset was evaluated, and what was printed."""

    path: Path
    printed: str

    @property
    def run(self) -> RunDirectory:
        return find_run(self.path / "runs", "r")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    path = tmp_path_factory.mktemp("evaluate")
    save_masked_lm(path / "model", num_hidden_layers=2)
    lines = [
        json.dumps({"subtask": s, "text": t, "correct": c, "wrong": w, "condition": "x"})
        for s, t, c, w in ROWS
    ]
    (path / "tiny.jsonl").write_text("\n".join(lines))
    options = "--model model --n-steps 4 --draws 3 --resamples 20 --nodes-per-layer 2 --beam 2 --searched 2"
    result = call("evaluate", "tiny.jsonl", *options.split(), cwd=path)
    assert result.returncode == 0, result.stderr
    return Done(path, result.stdout)


def test_a_dataset_becomes_tables_in_the_papers_layout(done: Done) -> None:
    assert "As printed by Lu et al. (2021), Table 1" in done.printed
    assert "BERT_SMALL" in done.printed
    header = next(line for line in done.printed.splitlines() if line.startswith("measure"))
    assert header.split() == ["measure", "agreement", "negation", "other"]
    assert "Several nodes per layer" in done.printed
    assert "beam=2" in done.printed


def test_measures_are_with_the_run_and_in_the_store(done: Done) -> None:
    measures = done.run.measures()
    assert len(measures) > 100
    with open_store(done.path / "ipgraph.db") as store:
        found = store.read("MATCH (:Run)-[:MEASURED]->(m:Measure) RETURN m.id AS id, m.value AS value")
    assert {str(key): value for key, value in found.rows} == {m.id: m.value for m in measures}


def test_reports_print_the_measures(done: Done) -> None:
    measures = {MeasureKey.of(measure): measure for measure in done.run.measures()}
    with open_store(done.path / "ipgraph.db") as store:
        dropped, _, _, _, published = table1(store)
        five = figure5(store, run=done.run.id[:5])
        searched = optimality(store)
    subtasks = Counter(instance.subtask for instance in done.run.records("instances"))
    counts = ", ".join(f"{name} {subtasks[name]}" for name in dropped.headers[1:])
    assert dropped.note.startswith(f"instances: {counts}; ")
    assert not searched[0].note.startswith(f"instances: {counts}; ")  # some of them are searched
    accuracy = {str(row[0]): row[1:] for row in dropped.rows}
    for place, subtask in enumerate(("agreement", "negation", "other")):
        found = measures[MeasureKey("ablated_accuracy", "gpr", "attention", subtask, target="dropped")]
        assert accuracy["Pi_+^a"][place] == Estimate(found.value, found.low, found.high, found.count)
        assert str(accuracy["Pi_+^a"][place]) == f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    assert [row[0] for row in published.rows] == list(TABLE1)
    assert published.headers == ["measure", *TASKS]
    by_task = next(table for table in five if "5b" in table.title)
    assert [row[0] for row in by_task.rows] == ["agreement", "negation", "other"]
    correlations = five[-1].records()
    assert [row["points"] for row in correlations] == [3, 3, 3]
    assert [table.title for table in searched] == [
        "Greedy patterns and wider searches",
        "Several nodes per layer",
    ]


@pytest.mark.parametrize("name", ["table1", "figure5", "optimality"])
def test_reports_on_the_command_line_are_the_librarys(
    done: Done, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done.path)
    with open_store(done.path / "ipgraph.db") as store:
        expected = REPORTS[name].function(store)
    shown = json_tables("report", name)
    records = json.dumps(
        [[dict(zip(t.keys, row, strict=True)) for row in t.rows] for t in expected], default=asdict
    )
    assert [table["rows"] for table in shown] == json.loads(records)
    printed = invoke("report", name, "--show-cypher")
    assert all(table.title in printed.stdout and table.note in printed.stdout for table in expected)
    assert "MEASURED" in printed.stderr


def test_cite_says_how_the_run_was_evaluated(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = "attention, conductance, internal influence, random, skips replaced"
    said = f"section 4 of Lu et al. 2021 and compared with {methods}; intervals are 95% percentile bootstraps"
    monkeypatch.chdir(done.path)
    for place in ("runs", "elsewhere"):  # the run's directory, and the store alone
        assert said in invoke("cite", done.run.id, "--runs-dir", place).stdout


def test_reports_need_no_torch(done: Done) -> None:
    for report, needed in (("table1", set()), ("figure5", {"scipy"}), ("optimality", set())):
        imports = imported("report", report, cwd=done.path)
        assert imports & {"torch", "transformers", "scipy"} == needed


def test_a_run_is_evaluated_by_its_id(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(done.path)
    store = str(tmp_path / "other.db")
    shown = invoke(
        *("evaluate", done.run.id[:6], "--methods", "attention_max,alti_paths", "--draws", "2"),
        *("--resamples", "5", "--store", store, "--format", "json"),
    )
    tables = json.loads(shown.stdout)["tables"]
    labels = [row["measure"] for row in tables[0]["rows"]]
    assert {"attention (head max)^e", "ALTI^e"} <= set(labels)
    assert "random^e" not in labels
    with open_store(store) as opened:
        assert [run.id for run in opened.runs()] == [done.run.id]


def test_a_datasets_name_wins_over_the_beginning_of_a_runs_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ra` is a built-in group, and might be the beginning of an id."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    error = invoke("evaluate", "ra", "--model", "empty", code=2).stderr
    assert error.startswith("error: empty is not a Hugging Face model folder")


def test_a_store_that_cannot_be_used_is_found_out_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for store, said in (
        ("folder", "folder is a folder"),
        ("bolt://neo4j:geheim@127.0.0.1", "cannot hold a user or password"),
    ):
        error = invoke("evaluate", "ra", "--limit", "2", "--n-steps", "2", "--store", store, code=2).stderr
        assert said in error
        assert "geheim" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_run_whose_model_moved_is_evaluated_where_the_model_is_now(done: Done, tmp_path: Path) -> None:
    shutil.copytree(done.run.path, tmp_path / "runs" / done.run.id)
    shutil.copytree(done.path / "model", tmp_path / "moved")
    there, away = done.path / "model", done.path / "away"
    fast = ("--methods", "random", "--draws", "2", "--resamples", "5")
    there.rename(away)
    gone = call("evaluate", done.run.id, *fast, cwd=tmp_path)
    away.rename(there)
    assert gone.returncode == 2
    assert f"made with the model in the folder {str(there)!r}, which is not here" in gone.stderr
    for target in ((done.run.id,), ("tiny.jsonl", "--n-steps", "4")):
        shutil.copy(done.path / "tiny.jsonl", tmp_path)
        again = call("evaluate", *target, "--model", "moved", *fast, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [done.run.id]
    other = call("evaluate", done.run.id, "--model", "demo", *fast, cwd=tmp_path)
    assert "was made with model model-" in other.stderr


@pytest.mark.parametrize(
    "option", [("--revision", "v1"), ("--n-steps", "7"), ("--limit", "1"), ("--strict",), ("--qoi", "zzz")]
)
def test_what_a_run_has_of_its_own_is_refused_beside_it(
    done: Done, option: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done.path)
    error = invoke("evaluate", done.run.id, *option, code=2).stderr
    assert error.startswith(f"error: {option[0]} is for extracting a dataset, and {done.run.id} is a run")


def test_only_guided_patterns_are_extracted_to_be_evaluated() -> None:
    error = invoke("evaluate", "ra", "--method", "random", code=2).stderr
    assert error.startswith("error: unknown option '--method'; valid, nearest first: --methods")


def test_what_cannot_be_evaluated_is_one_sentence(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(done.path)
    assert "unknown dataset or run 'rffffff'" in invoke(
        "evaluate", "rffffff", "--runs-dir", "nowhere", code=2
    ).output.replace("\n", " ")
    for target in (done.run.id, "sva-obj"):  # before a model is loaded
        options = ("--methods", "conductance, attentoin", "--model", "no/such")
        said = invoke("evaluate", target, *options, code=2).output
        assert "unknown method 'attentoin'; valid, nearest first: attention" in said.replace("\n", " ")
    (done.path / "empty").mkdir(exist_ok=True)
    said = invoke("report", "table1", "--store", "empty/new.db", code=2).output
    assert "holds no complete run" in said or "no run of this store has been evaluated" in said
