"""`draw`, `show` and `plot` of runs without paths, against their rows and layer matrices."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.attributed import ENCODER_DECODER as TWO_STACKS
from support.attributed import WORDS, make_attributed
from support.cli_runs import invoke, on_terminal, rows
from support.drawings import drawn
from support.fixtures import CONDITIONS, HEADS, LAYERS, make_run
from support.remade import remade
from support.shards import read_shard

from ipgraph.extractor.methods.attention_flow.edges import flow_edges
from ipgraph.graphstore.opening import open_store
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import VIEWED, LayerMatrix
from ipgraph.queries.views.depth import local_global, mixing

Runs = dict[str, RunDirectory]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of gpr, hta (two), flow and, of an encoder-decoder, alti, in a store."""
    path = tmp_path_factory.mktemp("scores")
    made = [
        make_attributed(path / "runs"),
        make_attributed(path / "runs", seed=1),
        _in_shares(make_attributed(path / "runs", method="flow")),
        _in_shares(make_attributed(path / "runs", method="alti", model="two-0123456789ab", shape=TWO_STACKS)),
        make_run(path / "runs"),
    ]
    with open_store(path / "ipgraph.db") as store:
        store.add(made)
    return path


def _in_shares(run: RunDirectory) -> RunDirectory:
    """Write a run's layer matrices anew, with rows that sum to 1."""
    for index in range(run.manifest["shards"]):
        shard = read_shard(run, index)
        shard.further["matrices"] = [_divided(row) for row in shard.further["matrices"]]
        shutil.rmtree(run.path / "shards" / f"{index:05d}")
        run.write_shard(index, shard)
    run.finish()
    return run


def _divided(row: LayerMatrix) -> LayerMatrix:
    matrix = np.array(row.values).reshape(row.layers, row.rows, row.columns)
    shares = matrix / np.maximum(matrix.sum(-1, keepdims=True), 1e-9) * (0.5 if row.name == "cross" else 1)
    return replace(row, values=shares.ravel().tolist())


@pytest.fixture
def runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The runs by method, with the folder as the working one; `hta2` is the second of hta."""
    monkeypatch.chdir(place)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    found: Runs = {}
    for path in sorted((place / "runs").iterdir(), key=lambda p: RunDirectory.open(p).manifest["created"]):
        run = RunDirectory.open(path)
        found["hta2" if run.run.method in found else run.run.method] = run
    return found


def scores(run: RunDirectory, instance: str) -> list[float]:
    return next(list(row.scores) for row in run.records("attributions") if row.instance == instance)


def first(run: RunDirectory) -> str:
    return str(next(iter(run.records("instances"))).id)


@pytest.mark.parametrize("method", ["flow", "alti"])
def test_a_flow_run_draws_the_flow_of_its_most_attributed_token(
    runs: Runs, tmp_path: Path, method: str
) -> None:
    run, out = runs[method], tmp_path / "flow.svg"
    instance = first(run)
    which = () if method == "flow" else ("--run", run.id)
    invoke("draw", instance, *which, "--kind", "flow", "-o", str(out))
    matrices = run.matrices(instance)
    sizes = [abs(score) for score in scores(run, instance)]
    token = sizes.index(max(sizes))
    title = " ".join(re.findall(r'id="a-title-\d">.*?<text[^>]*>([^<]*)<', out.read_text(), re.DOTALL))
    assert f'flow from "{WORDS[token]}" ({token}) = ' in title.replace("&quot;", '"')
    edges = flow_edges(matrices, matrices["self"].shape[1] - 1, token)
    assert drawn(out) == {
        f"edge-{e.layer}-{e.source}-{e.target}-hop-{'negative' if e.is_cut else 'positive'}" for e in edges
    }


def test_the_token_of_a_flow_network_is_named(runs: Runs, tmp_path: Path) -> None:
    run, out = runs["flow"], tmp_path / "flow.svg"
    for token in ("author", "2"):
        invoke("draw", first(run), "--run", run.id, "--token", token, "-o", str(out))
        assert {name for name in drawn(out) if name.startswith("edge-1-")} <= {
            f"edge-1-2-{to}-hop-{sign}" for to in range(7) for sign in ("negative", "positive")
        }


def test_a_run_without_paths_draws_its_text_and_several_stand_below_each_other(
    runs: Runs, tmp_path: Path
) -> None:
    run, out = runs["hta"], tmp_path / "text.svg"
    invoke("draw", first(run), "--run", run.id, "-o", str(out))
    text = out.read_text()
    assert re.findall(r">([^<]+)</text>\s*</g>", text)[1 : 1 + len(WORDS)] == list(WORDS)
    invoke("draw", first(run), "--run", run.id, "--run", runs["flow"].id, "--kind", "text", "-o", str(out))
    assert "(a)  hta: " in out.read_text()
    assert "(b)  flow: " in out.read_text()


def test_a_run_of_paths_has_scores_too(runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "text.svg"
    invoke("draw", first(runs["gpr"]), "--kind", "text", "-o", str(out))
    assert ">integrated_gradients: " in out.read_text()


@pytest.mark.parametrize(("layer", "name"), [(1, "encoder"), (3, "self"), (4, "cross")])
def test_a_layer_is_drawn_as_a_heat_map(runs: Runs, tmp_path: Path, layer: int, name: str) -> None:
    run, out = runs["alti"], tmp_path / "map.svg"
    invoke("draw", first(run), "--run", run.id, "--layer", str(layer), "-o", str(out))
    text = out.read_text()
    assert f"layer {layer} ({name})" in text
    matrix = run.matrices(first(run))[name][0]
    cells = {(int(e), int(j)) for e, j in re.findall(r'id="a-cell-(\d+)-(\d+)"', text)}
    assert cells == {(e + 1, j + 1) for (e, j), value in np.ndenumerate(matrix) if round(100 * value)}


def test_show_prints_the_scores_and_colours_them_on_a_terminal(runs: Runs) -> None:
    run = runs["hta"]
    printed = rows("show", first(run), "--run", run.id)
    assert [row["token"] for row in printed] == list(WORDS)
    assert [row["score"] for row in printed] == scores(run, first(run))
    plain = invoke("show", first(run), "--run", run.id).output
    assert " ".join(WORDS) + "\n" in plain
    shown = on_terminal("show", first(run), "--run", run.id, cwd=Path.cwd(), env={"COLORTERM": "truecolor"})
    assert re.search(r"\x1b\[[\d;]*48;2;[\d;]+mauthor\x1b", shown)


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ("hta", ("--kind", "flow"), "is not of flow, rollout, alti, alti_l2 or norm: its method is hta"),
        ("gpr", ("--kind", "matrix"), "has no layer matrices: its method is gpr"),
        (
            "hta",
            ("--kind", "matrix", "--runs-dir", "x"),
            "layer matrices are kept in run directories only",
        ),
        ("hta", ("--kind", "paths"), "has no patterns: its method is hta"),
        ("hta flow", (), "these runs have different pictures (flow and text); pass --kind text for all"),
        (
            "hta",
            ("--kind", "text", "--layer", "1"),
            "--layer is for a picture of kind matrix, and this is of",
        ),
        ("hta", ("--layer", "9"), f"there are layer matrices of layers 1 to {LAYERS}; you asked for 9"),
        ("flow", ("--token", "x"), "there is no token 'x'; the tokens are 0 to 6: the old author"),
    ],
)
def test_what_does_not_fit_is_said(runs: Runs, methods: str, options: tuple[str, ...], message: str) -> None:
    named = [part for method in methods.split() for part in ("--run", runs[method].id)]
    instance = first(runs[methods.split()[0]])
    said = invoke("draw", instance, *named, *options, "-o", "x.svg", code=2).output
    assert message in " ".join(said.split())
    assert not Path("x.svg").exists()


def test_matrices_that_are_no_shares_are_not_drawn_as_a_flow(runs: Runs, tmp_path: Path) -> None:
    """A run from elsewhere may say flow, and hold something else."""
    forged = remade(runs["hta"], tmp_path / "runs", method="flow")
    with open_store(tmp_path / "x.db") as store:
        store.add([forged])
    where = ("--store", str(tmp_path / "x.db"), "--runs-dir", str(tmp_path / "runs"))
    said = invoke("draw", first(forged), "--kind", "flow", *where, "-o", "x.svg", code=2).output
    assert "are not a flow network: those of flow are not shares" in " ".join(said.split())


@pytest.mark.parametrize("is_missing", [False, True])
def test_damaged_matrices_are_said_with_the_remedy(runs: Runs, tmp_path: Path, is_missing: bool) -> None:
    run = runs["flow"]
    copy = shutil.copytree(run.path, tmp_path / "runs" / run.id)
    for file in copy.glob("shards/*/matrices.parquet"):
        file.unlink() if is_missing else file.write_bytes(file.read_bytes()[:100])
    options = ("--run", run.id, "--runs-dir", str(tmp_path / "runs"), "-o", "x.svg")
    said = " ".join(invoke("draw", first(run), *options, code=1).output.split())
    assert f"run {run.id} is damaged: " in said
    assert "matrices.parquet" in said
    assert said.endswith("; repeat the extraction to compute it")
    invoke("draw", first(run), *options[:-1], str(tmp_path / "x.svg"), "--kind", "text")


def test_a_condition_is_drawn_of_paths_only(runs: Runs) -> None:
    said = invoke("draw", "--condition", CONDITIONS[0], "--kind", "text", "-o", "x.svg", code=2).output
    assert "a picture of kind text is of instances, not of a --condition" in said


# ---- plots over layers


def test_mixing_is_the_mean_over_instances_within_its_interval(runs: Runs, place: Path) -> None:
    run = runs["hta"]
    conditions = {i.id: i.condition for i in run.records("instances")}
    values = np.array(
        [row.mixing for row in run.records("attributions") if conditions[row.instance] == CONDITIONS[1]]
    )
    with open_store(place / "ipgraph.db") as store:
        series = mixing(store, run.run, "x", condition=CONDITIONS[1])
    assert [point.x for point in series.points] == [1, 2, 3]
    assert [point.value for point in series.points] == pytest.approx(values.mean(0))
    for point, column in zip(series.points, values.T, strict=True):
        assert point.low is not None
        assert point.high is not None
        assert column.min() <= point.low < point.value < point.high <= column.max()


def test_local_and_global_are_means_over_instances_and_masses_over_heads(runs: Runs, place: Path) -> None:
    run = runs["hta"]
    stored = list(run.records("views"))
    with open_store(place / "ipgraph.db") as store:
        views = local_global(store, run.run)
    sums = np.zeros((LAYERS, HEADS))
    masses: dict[tuple[str, str, int], list[float]] = {}
    for view in stored:
        for layer in range(LAYERS):
            for head in range(HEADS):
                at = layer * HEADS + head
                sums[layer, head] += view.divergences[at]
                for n, place_ in enumerate(VIEWED):
                    masses.setdefault((place_, "local", layer + 1), []).append(view.local_masses[5 * at + n])
                    masses.setdefault((place_, "global", layer + 1), []).append(
                        view.global_masses[5 * at + n]
                    )
    assert np.array(views.divergences) == pytest.approx(sums / len(stored))
    found = {
        (place_, series.name, int(point.x)): point.value
        for place_, pair in views.masses
        for series in pair
        for point in series.points
    }
    assert found == pytest.approx({key: float(np.mean(values)) for key, values in masses.items()})


def test_mixing_has_a_line_per_run_under_its_name(runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "mixing.svg"
    ids = [runs["hta"].id, runs["hta2"].id]
    said = invoke("plot", "mixing", "--run", ids[0], "--run", ids[1], "--run", ids[0], "-o", str(out)).output
    assert said == f"wrote {out}\n"
    text = out.read_text()
    assert [text.count(f">{id_}<") for id_ in ids] == [1, 1]
    assert len(re.findall(r'id="FillBetweenPolyCollection_\d+"', text)) == 2
    invoke("plot", "mixing", "--run", ids[0], "--condition", CONDITIONS[0], "-o", str(out))
    assert f">hta {CONDITIONS[0]}<" in out.read_text()


def test_local_global_shows_each_head_and_place(runs: Runs, tmp_path: Path, place: Path) -> None:
    out = tmp_path / "views.svg"
    invoke("plot", "local-global", "--run", runs["hta"].id, "-o", str(out))
    text = out.read_text()
    assert all(f">on the {name} token<" in text for name in VIEWED)
    with open_store(place / "ipgraph.db") as store:
        views = local_global(store, runs["hta"].run)
    for layer, row in enumerate(views.divergences, 1):
        for head, value in enumerate(row, 1):
            number = re.search(rf'id="divergence-{layer}-{head}".*?<text[^>]*>(\d+)</text>', text, re.DOTALL)
            assert number
            assert int(number[1]) == round(100 * value)


@pytest.mark.parametrize(
    ("plot", "method", "message"),
    [
        ("mixing", "gpr", "has no layer matrices: its method is gpr"),
        ("mixing", "alti", "has no mixing by layer: its model is an encoder-decoder"),
        ("local-global", "flow", "has no views of heads: its method is flow"),
    ],
)
def test_a_run_without_what_is_plotted_is_said(runs: Runs, plot: str, method: str, message: str) -> None:
    said = invoke("plot", plot, "--run", runs[method].id, "-o", "x.svg", code=2).output
    assert message in " ".join(said.split())


def test_by_default_the_newest_run_that_has_it_is_plotted(runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "views.svg"
    invoke("plot", "local-global", "-o", str(out))
    assert runs["hta2"].id in out.read_text()
