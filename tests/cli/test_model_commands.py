"""`ipgraph model`: what it prints, and its exit codes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cli_runs import invoke, rows, tables
from support.saved_models import save_decoder, save_encoder_decoder, save_unknown
from support.tiny_models import save_masked_lm

from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.registry import ARCHITECTURES, families


def test_show_prints_facts_support_and_cost() -> None:
    facts, support, cost = tables("model", "show", "demo")
    said = {row["what"]: row["value"] for row in facts["rows"]}
    assert (said["family"], said["layers"], said["parameters"]) == ("bert", 6, 321089)
    assert {"option": "method", "value": "gpr", "supported": True, "why_not": None} in support["rows"]
    (row,) = cost["rows"]
    assert row["seconds"] > 0
    assert "float32" in row["machine"]
    assert "321,089" in invoke("model", "show", "demo").stdout


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_show_says_why_an_encoder_decoder_cannot_be_used(tmp_path: Path, family: str) -> None:
    folder = str(save_encoder_decoder(tmp_path, family))
    facts, support = tables("model", "show", folder)
    assert {"what": "guided patterns", "value": "no"} in facts["rows"]
    why = support["rows"][0]["why_not"]
    assert "cross-attention" in why
    assert invoke("model", "check", folder, code=2).stderr == f"error: {why}\n"
    refused = invoke("extract", "sva-obj", "--model", folder, "--method", "gpr", code=2).stderr
    before, _, defined = refused.partition(". Defined for model ")
    assert before == f"error: {why}"
    assert defined.endswith(": rollout, flow, flow_shapley, raw_attention, alti, alti_l2, norm, blank_out\n")


def test_show_lists_the_families_that_are_known(tmp_path: Path) -> None:
    folder = str(save_unknown(tmp_path))
    shown = invoke("model", "show", folder).stdout
    assert f"known families: {', '.join(families())}" in shown
    assert "is of the family 'opt'" in invoke("model", "check", folder, code=2).stderr


def test_check_compares_and_says_that_all_is_right(tmp_path: Path) -> None:
    folder = str(save_decoder(tmp_path, "gpt2"))
    checked = rows("model", "check", folder)
    assert all(row["right"] for row in checked)
    assert {row["what"] for row in checked} == {"logits", "words' influences", "positions", "heads and skip"}
    result = invoke("model", "check", folder)
    assert f"model {folder} is right: {len(checked)} comparisons are within tolerance" in result.stdout


def test_check_of_a_broken_adapter_ends_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ARCHITECTURES["BertForMaskedLM"]

    def without_last_layer(module: Any) -> Adapter:
        adapter = known.adapter(module)
        return replace(adapter, layers=adapter.layers[:-1])

    monkeypatch.setitem(ARCHITECTURES, "BertForMaskedLM", known._replace(adapter=without_last_layer))
    folder = str(save_masked_lm(tmp_path))
    result = invoke("model", "check", folder, "--format", "json", code=1)
    (table,) = json.loads(result.stdout)["tables"]
    assert not all(row["right"] for row in table["rows"])
    assert result.stderr.startswith(f"error: the patterns of model '{folder}' cannot be trusted: ")
    assert result.stderr.count("\n") == 1
