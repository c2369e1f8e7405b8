"""Runs of methods that score tokens: what they hold, what identifies them, and what is refused."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from support.extractions import AGREEMENT, run_of, sentences
from support.saved_models import save_encoder_decoder, save_unknown
from support.tiny_models import save_masked_lm

from ipgraph.cli.option_groups import Extraction, by_method
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.models.loading import LoadedModel, load_any, load_model
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.runs.directory import RunDirectory

SCORING = sorted(name for name, method in METHODS.items() if method.family != "paths")
WITH_MATRICES = sorted(name for name, method in METHODS.items() if method.family == "layer matrices")
SHARES = ("alti", "alti_l2", "norm", "rollout", "flow", "raw_attention", "hta")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(save_masked_lm(tmp_path_factory.mktemp("model")), dtype="float64")


def scored(model: LoadedModel, folder: Path, method: str) -> RunDirectory:
    return extract(model, AGREEMENT, runs_dir=folder, method=method)


@pytest.mark.parametrize("method", SCORING)
def test_a_run_has_a_score_per_token_and_the_models_answers(
    model: LoadedModel, tmp_path: Path, method: str
) -> None:
    run = scored(model, tmp_path, method)
    guided = list(run_of(model, AGREEMENT, tmp_path, n_steps=5).records("predictions"))
    predictions, found = list(run.records("predictions")), list(run.records("attributions"))
    assert (run.run.method, run.run.level, run.run.patterns) == (method, "", 0)
    assert [one.method for one in found] == [method] * len(predictions)
    for one, told, usual in zip(found, predictions, guided, strict=True):
        assert one.instance == told.instance == usual.instance
        assert len(one.scores) == len(told.tokens)
        assert told.qoi == pytest.approx(usual.qoi, rel=1e-9)
        assert (told.is_correct, told.target) == (usual.is_correct, usual.target)
        assert any(one.scores)
        if method in SHARES:
            assert sum(one.scores) == pytest.approx(1)


@pytest.mark.parametrize("method", WITH_MATRICES)
def test_matrices_are_those_of_the_run_and_of_one_instance(
    model: LoadedModel, tmp_path: Path, method: str
) -> None:
    run = scored(model, tmp_path, method)
    for told in run.records("predictions"):
        (matrix,) = run.matrices(told.instance).values()
        n = len(told.tokens)
        assert matrix.shape == (len(model.adapter.layers), n, n)
        if method != "globenc":
            assert np.allclose(matrix.sum(-1), 1)


def test_rollout_is_the_product_of_what_transformers_returns(model: LoadedModel, tmp_path: Path) -> None:
    run = scored(model, tmp_path, "rollout")
    for told, one in zip(run.records("predictions"), run.records("attributions"), strict=True):
        ids = torch.tensor([model.tokenizer.convert_tokens_to_ids(told.tokens)])
        model.module.set_attn_implementation("eager")
        layers = model.module(ids, output_attentions=True).attentions
        product = torch.eye(ids.shape[1], dtype=torch.float64)
        for attention in layers:
            product = (attention[0].mean(0) + torch.eye(ids.shape[1])) / 2 @ product
        assert np.allclose(one.scores, product[told.target].detach().numpy())


def test_a_run_of_paths_has_the_scores_that_they_refine(model: LoadedModel, tmp_path: Path) -> None:
    run = run_of(model, AGREEMENT, tmp_path)
    scores = {one.instance: one.scores for one in run.records("attributions")}
    patterns = list(run.records("patterns"))
    assert patterns
    assert all(scores[p.instance][p.position] == p.total_influence for p in patterns)
    assert {one.method for one in run.records("attributions")} == {"integrated_gradients"}


@pytest.mark.parametrize(
    "options", [{"n_steps": 50}, {"baseline": "pad"}, {"level": "embedding"}, {"at": "input"}]
)
def test_an_option_that_a_method_does_not_read_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="'alti'"):
        Options(method="alti", **options)  # type: ignore[arg-type]


def test_a_probability_is_for_methods_that_take_it(model: LoadedModel) -> None:
    assert Options(method="saliency", qoi="probability").for_model(model).qoi == "probability"
    for method in ("gpr", "alti"):
        with pytest.raises(UsageError, match="QoI 'probability' is for"):
            Options(method=method, qoi="probability")


def test_a_position_correction_is_for_decoders(model: LoadedModel) -> None:
    with pytest.raises(UsageError, match="is for decoders"):
        Options(method="flow", position_correction="uniform").for_model(model)


@pytest.mark.parametrize(
    ("correction", "decay", "message"),
    [
        ("none", 2.0, "belongs to the position correction 'position'"),
        ("distance", 2.0, "belongs to the position correction 'position'"),
        ("uniform", 2.0, "belongs to the position correction 'position'"),
        ("position", float("nan"), "from 0 to 10"),
        ("position", float("inf"), "from 0 to 10"),
        ("position", 1e308, "from 0 to 10"),
        ("position", -1.0, "from 0 to 10"),
    ],
)
def test_a_decay_is_a_number_of_the_correction_by_position(
    correction: str, decay: float, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Options(method="flow", position_correction=correction, position_decay=decay)


@pytest.mark.parametrize(("correction", "decay"), [("none", 0.0), ("uniform", 0.0), ("position", 1.0)])
def test_a_decay_is_on_record_where_it_is_read(correction: str, decay: float) -> None:
    assert Options(method="flow", position_correction=correction).recorded()["position_decay"] == decay


def test_a_method_that_a_model_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UsageError, match=r"globenc.*Defined for model 'demo-gpt2': gpr, .*alti") as refused:
        Options(method="globenc").for_model(load_model("demo-gpt2"))
    assert "globenc" not in str(refused.value).partition("Defined for model")[2]


def test_long_texts_have_no_shapley_values_and_are_counted(model: LoadedModel, tmp_path: Path) -> None:
    long = sentences("the farmer [MASK] " + "old " * 12 + ".", "a farmer [MASK] tall .")
    with pytest.warns(UserWarning, match="at most 12"):
        run = extract(model, long, runs_dir=tmp_path, method="flow_shapley")
    assert (run.run.instances, run.run.skipped) == (1, 1)


def test_several_methods_are_so_many_extractions() -> None:
    asked = Extraction(method="gpr,alti, integrated_gradients", n_steps=50, at="input", label="mine")
    guided, alti, integrated = by_method(asked)
    assert [one.method for one in (guided, alti, integrated)] == ["gpr", "alti", "integrated_gradients"]
    assert [one.label for one in (guided, alti, integrated)] == [
        "mine-gpr",
        "mine-alti",
        "mine-integrated_gradients",
    ]
    assert (guided.n_steps, alti.n_steps, integrated.n_steps) == (50, "auto", 50)
    assert (guided.at, alti.at, integrated.at) == ("word", "word", "input")
    assert by_method(Extraction(method="alti", n_steps=50))[0].n_steps == 50  # for Options to refuse
    assert asdict(by_method(Extraction(label="mine"))[0])["label"] == "mine"


# --- models without an adapter ---

OF_ANY_MODEL = ("rollout", "flow", "flow_shapley", "raw_attention", "blank_out")
FORMS = {"correct": "know", "wrong": "helps"}
ONE_STACK = [{"text": "the lawyer that hates guests [MASK] the music .", **FORMS}]
TWO_STACKS = [{"text": "the lawyer hates", "continuation": "a scientist [MASK] the worker", **FORMS}]


@pytest.mark.parametrize("method", OF_ANY_MODEL)
def test_a_model_of_an_unknown_family_has_runs(tmp_path: Path, method: str) -> None:
    model = load_any(save_unknown(tmp_path), dtype="float64")
    run = extract(model, ONE_STACK, runs_dir=tmp_path / "runs", method=method)
    (one,), (told,) = run.records("attributions"), run.records("predictions")
    assert len(one.scores) == len(told.tokens)
    assert not any(one.scores[told.target + 1 :])
    ids = torch.tensor([model.tokenizer.convert_tokens_to_ids(told.tokens)])
    correct, wrong = model.tokenizer.convert_tokens_to_ids([told.toward, told.against])
    logits = model.module(ids).logits[0, told.target]
    assert told.qoi == pytest.approx(float(logits[correct] - logits[wrong]))


@pytest.mark.parametrize("family", ["t5", "bart"])
@pytest.mark.parametrize("method", [*OF_ANY_MODEL, "alti", "alti_l2", "norm"])
def test_an_encoder_decoder_has_runs_over_both_texts(tmp_path: Path, family: str, method: str) -> None:
    folder = save_encoder_decoder(tmp_path, family)
    run = extract(folder, TWO_STACKS, runs_dir=tmp_path / "runs", method=method, dtype="float64")
    (one,), (told,) = run.records("attributions"), run.records("predictions")
    assert len(one.scores) == len(told.tokens)
    assert any(one.scores)
    if METHODS[method].family == "layer matrices":
        matrices = run.matrices(one.instance)
        sources, own = matrices["encoder"].shape[-1], matrices["self"].shape[-1]
        assert (sources + own, matrices["cross"].shape[1:]) == (len(told.tokens), (own, sources))
        assert sum(one.scores) == pytest.approx(1)
        assert run.run.rows.count('"contributions": 0') == 0


def test_what_needs_an_adapter_is_refused_for_others_with_what_is_defined(tmp_path: Path) -> None:
    model = load_any(save_unknown(tmp_path))
    for method in ("gpr", "alti", "hta", "saliency"):
        with pytest.raises(UsageError, match=r"Defined for model .*: rollout, flow, .*blank_out"):
            extract(model, ONE_STACK, runs_dir=tmp_path / "runs", method=method)
