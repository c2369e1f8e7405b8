"""`ingest` with several methods, and with models that only some of them take."""

import json
from pathlib import Path

import pytest
from support.cli_runs import invoke
from support.saved_models import save_encoder_decoder, save_unknown
from support.tiny_models import save_masked_lm

ROW = {"text": "the lawyer that hates [MASK]", "correct": "lawyer", "wrong": "guests"}
SENTENCE = ("the lawyer that hates", "--correct", "helps", "--wrong", "hates")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    Path("rows.jsonl").write_text(json.dumps(ROW))
    return tmp_path


@pytest.mark.parametrize("method", ["hta", "gpr", "saliency,alti"])
def test_nothing_is_computed_where_one_of_the_methods_cannot_be(place: Path, method: str) -> None:
    model = save_unknown(place / "model")
    for named in (method, f"flow,{method}"):
        refused = invoke("ingest", "dataset", "rows.jsonl", "--model", str(model), "--method", named, code=2)
        assert ": rollout, flow, " in refused.stderr
        assert not Path("runs").exists()


def test_a_qoi_that_one_of_the_methods_does_not_take_is_refused_first(place: Path) -> None:
    options = ("--model", str(save_masked_lm(place / "model")), "--qoi", "probability")
    refused = invoke("ingest", "dataset", "rows.jsonl", *options, "--method", "saliency,gpr", code=2)
    assert "'gpr' is not one" in refused.stderr
    assert not Path("runs").exists()


def test_the_summary_of_each_method_names_its_report(place: Path) -> None:
    options = ("--model", str(save_unknown(place / "model")), "--method", "rollout,blank_out")
    done = invoke("ingest", "dataset", "rows.jsonl", *options)
    following = [line.split()[1:4] for line in done.stdout.splitlines() if line.startswith("next")]
    assert following == [["ipgraph", "report", "flow"], ["ipgraph", "report", "scores"]]


def test_what_is_said_of_the_dataset_is_said_once(place: Path) -> None:
    Path("rows.jsonl").write_text(f"{json.dumps(ROW)}\n{json.dumps(ROW | {'text': 'no mask'})}\n")
    options = ("--model", str(save_unknown(place / "model")), "--method", "rollout,blank_out")
    lines = invoke("ingest", "dataset", "rows.jsonl", *options).stdout.splitlines()
    assert len([line for line in lines if line.startswith("columns")]) == 1
    first, second = (line.split(maxsplit=1)[1] for line in lines if line.startswith("skipped"))
    assert first.startswith("1 row (see ipgraph run show ")
    assert second == "as before"


def test_a_sentence_without_a_mask_is_said_to_a_language_model(place: Path) -> None:
    model = str(save_masked_lm(place / "model"))
    refused = invoke("ingest", "text", *SENTENCE, "--model", model, code=2).stderr
    assert "the text has no [MASK], and model" in refused


def test_a_sentence_for_an_encoder_decoder_needs_a_continuation(place: Path) -> None:
    options = ("--model", str(save_encoder_decoder(place / "model", "t5")), "--method", "flow")
    refused = invoke("ingest", "text", *SENTENCE, *options, code=2)
    assert "is an encoder-decoder; pass --continuation" in refused.stderr
    invoke("ingest", "text", *SENTENCE, *options, "--continuation", "the [MASK]")
