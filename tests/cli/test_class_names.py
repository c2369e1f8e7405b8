"""A classifier's class names are in what every command prints."""

from pathlib import Path

import pytest
from support.tiny_models import save_classifier
from typer.testing import CliRunner

from ipgraph.cli.app import app

NAMES = ("POSITIVE", "NEGATIVE")  # against the numbers' order


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_class_names_are_in_every_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IPGRAPH_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    save_classifier(tmp_path / "model", id2label=dict(enumerate(NAMES)))
    Path("mine.jsonl").write_text('{"text": "a good film .", "label": 0, "id": "first"}\n')
    options = ("--model", "model", "--qoi", "positive-negative", "--n-steps", "4")
    said("ingest", "dataset", "mine.jsonl", *options)
    (run,) = (path.name for path in Path("runs").iterdir())
    assert "positive-negative (POSITIVE minus NEGATIVE)" in said("report", "overview")
    shown = said("show", "first")
    assert "POSITIVE: " in shown
    assert "(POSITIVE − NEGATIVE)" in shown
    for query in ("instances", "predictions"):
        assert "POSITIVE" in said("query", "run", query, "--format", "csv")
    paper = said("cite", run)
    assert "the logit of class POSITIVE minus that of class NEGATIVE" in paper
    assert "its outputs: POSITIVE, NEGATIVE" in paper
    said("report", "html", "-o", "page.html")
    assert '"expected":"POSITIVE","qoi":"POSITIVE − NEGATIVE"' in Path("page.html").read_text()
    said("draw", "first", "-o", "one.svg")
    assert "POSITIVE − NEGATIVE" in Path("one.svg").read_text()


def test_one_class_is_asked_for_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_classifier(tmp_path / "model", 1, id2label={0: "score"})
    arguments = ["ingest", "text", "a good film .", "--model", "model", "--n-steps", "4"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "such as 'logit:score'" in refused.output
    said(*arguments, "--qoi", "logit:score")
    (run,) = (path.name for path in Path("runs").iterdir())
    paper = said("cite", run)
    assert "The quantity of interest is the logit of class score;" in paper
    assert "No answer of the model is judged" in paper
