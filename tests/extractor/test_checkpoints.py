"""Checkpoints as people have them: other heads, other configs, pickles, and objects in memory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.tiny_models import WORDS, save_classifier, save_masked_lm
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForSequenceClassification,
    BertTokenizerFast,
)

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.evaluation.evaluate import model_of
from ipgraph.extractor.extraction.compute import Worker
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

SENTENCE = "the farmers that the farmer likes [MASK] old ."


def configured(folder: Path, **changes: Any) -> Path:
    """Change a folder's config."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return folder


def pretraining(folder: Path) -> Path:
    """Save a BertForPreTraining with the tokenizer of a tiny model."""
    config = BertConfig.from_pretrained(save_masked_lm(folder))
    BertForPreTraining(config).save_pretrained(folder)
    return folder


def pickled(folder: Path) -> Path:
    """Put a folder's weights into a pickle."""
    file = folder / "model.safetensors"
    torch.save(load_file(file), folder / "pytorch_model.bin")
    file.unlink()
    return folder


def sentences() -> Dataset:
    return Dataset("t", [Example(make_instance("t", SENTENCE, correct="are", wrong="is"))])


def test_a_pretraining_checkpoint_is_its_masked_language_model(tmp_path: Path) -> None:
    folder = pretraining(tmp_path)
    model = load_model(folder, dtype="float64")
    assert (model.task, model.classes) == ("masked-lm", ())
    ids = model.tokenizer(SENTENCE, return_tensors="pt")
    with torch.no_grad():
        expected = BertForPreTraining.from_pretrained(folder).double()(**ids).prediction_logits
        assert torch.allclose(model.module(**ids).logits, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("save", "head"),
    [(save_masked_lm, "masked-lm"), (save_classifier, "classifier"), (pretraining, "masked-lm")],
)
def test_a_config_without_architectures_is_read_by_the_heads_that_are_there(
    tmp_path: Path, save: Callable[[Path], Path], head: str
) -> None:
    folder = configured(save(tmp_path), architectures=None)
    assert load_model(folder).task == load_model(folder, task=head).task == head
    other = "classifier" if head == "masked-lm" else "masked-lm"
    with pytest.raises(IpgraphError, match=r"lacks .* of the weights of a Bert.*; they would be random"):
        load_model(folder, task=other)


def test_a_model_without_a_known_head_is_refused(tmp_path: Path) -> None:
    BertForMaskedLM.from_pretrained(save_masked_lm(tmp_path)).bert.save_pretrained(tmp_path)
    with pytest.raises(
        UsageError, match="has the architecture BertModel; of the family 'bert' these can be used: "
    ):
        load_model(tmp_path)
    with pytest.raises(UsageError, match=r"of no known head .*cls.predictions.*; name the task, or"):
        load_model(configured(tmp_path, architectures=None))
    with pytest.raises(UsageError, match="unknown task 'lm'; valid"):
        load_model(tmp_path, task="lm")


def test_pickled_weights_are_refused_with_the_command_that_converts_them(tmp_path: Path) -> None:
    folder = pickled(save_masked_lm(tmp_path / "it's a model"))
    (folder / "pytorch_model.bin").chmod(0o400)
    with pytest.raises(IpgraphError, match=r"pytorch_model.bin only, a pickle") as refused:
        load_model(folder)
    command = str(refused.value).partition(": python -c ")[2]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-c", f"python -c {command}"], check=True, env=environment)
    assert load_model(folder).task == "masked-lm"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "nosuch"}, "transformers does not know hidden_act 'nosuch'"),
        ({"hidden_size": 32}, "do not fit its config: .* is 16 in the file and 32 by the config"),
        ({"vocab_size": 50}, "word_embeddings.weight is 23 x 16 in the file and 50 x 16"),
        ({"num_attention_heads": 3}, "not a multiple of the number of attention heads"),
        ({"hidden_size": "abc"}, "'hidden_size' expected int, got str"),
        ({"num_hidden_layers": 2}, "has 16 weights of layers that its config does not have, such as bert"),
        ({"num_hidden_layers": 0}, "has 0 layers by its config"),
        ({"pad_token_id": 99}, "Padding_idx must be within num_embeddings"),
        (
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
            "quantised weights",
        ),
        ({"pruned_heads": {"0": [1]}}, "has pruned heads"),
        ({"dtype": "float99"}, "the config of model .* could not be read"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = configured(save_masked_lm(tmp_path), **changes)
    capfd.readouterr()
    with pytest.raises(IpgraphError, match=message) as refused:
        load_model(folder)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_which_attention_a_file_asks_for_makes_no_difference(tmp_path: Path) -> None:
    folder = save_masked_lm(tmp_path)
    plain = load_model(folder)
    asked = load_model(configured(folder, attn_implementation="flash_attention_2"))
    ids = plain.tokenizer(SENTENCE, return_tensors="pt")
    assert torch.equal(plain.module(**ids).logits, asked.module(**ids).logits)


def test_warnings_about_heads_that_are_not_used_are_hidden(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = pretraining(tmp_path)
    capfd.readouterr()
    load_model(folder)
    assert capfd.readouterr() == ("", "")


def test_a_folder_named_by_a_dot_or_a_link_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_masked_lm(tmp_path / "my-bert")
    (tmp_path / "link").symlink_to(folder)
    (folder / "below").mkdir()
    for here, name, called in (
        (folder, ".", "my-bert"),
        (folder, "./", "my-bert"),
        (folder / "below", "..", "my-bert"),
        (folder, "below/..", "my-bert"),
        (tmp_path, "my-bert/", "my-bert"),
        (tmp_path, "link", "link"),
    ):
        monkeypatch.chdir(here)
        model = load_model(name)
        assert model.key == f"{called}-{model.digest[:8]}"
        assert Path(model.name).name == called


def object_and_tokenizer(folder: Path) -> tuple[Any, Any]:
    module = BertForMaskedLM.from_pretrained(save_masked_lm(folder))
    return module, BertTokenizerFast.from_pretrained(folder)


def test_an_object_gives_what_its_files_give_and_stays_as_it_was(tmp_path: Path) -> None:
    module, tokenizer = object_and_tokenizer(tmp_path / "model")
    module.train()
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    run = extract(module, sentences(), tokenizer=tokenizer, runs_dir=tmp_path, dtype="float64", n_steps=4)
    files = extract(tmp_path / "model", sentences(), runs_dir=tmp_path, dtype="float64", n_steps=4)
    influences = [[p.influence for p in r.records("patterns")] for r in (run, files)]
    assert influences[0] == pytest.approx(influences[1], abs=1e-12)
    assert module.training
    assert all(weight.requires_grad and weight.dtype == torch.float32 for weight in module.parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in module.state_dict().items())
    assert run.run.model_name == "object:model"


def test_an_objects_digest_follows_its_weights_config_and_tokenizer(tmp_path: Path) -> None:
    module, tokenizer = object_and_tokenizer(tmp_path)
    tokenizer([SENTENCE] * 2, truncation=True, padding=True, max_length=5)
    first = load_model(module, tokenizer=tokenizer, dtype="float64")
    tokenizer(SENTENCE)
    assert load_model(module, tokenizer=tokenizer).digest == first.digest
    digests = {first.digest}
    tokenizer.add_tokens(["doctor"])
    digests.add(load_model(module, tokenizer=tokenizer).digest)
    module.config.layer_norm_eps = 1e-5
    digests.add(load_model(module, tokenizer=tokenizer).digest)
    with torch.no_grad():
        module.cls.predictions.bias[3] += 1
    digests.add(load_model(module, tokenizer=tokenizer).digest)
    assert len(digests) == 4


def test_a_run_of_an_object_cannot_be_computed_or_evaluated_elsewhere(tmp_path: Path) -> None:
    module, tokenizer = object_and_tokenizer(tmp_path / "model")
    run = extract(module, sentences(), tokenizer=tokenizer, runs_dir=tmp_path, n_steps=4)
    with pytest.raises(UsageError, match="'object:model' was an object in Python and has no files"):
        Worker.load(Job.read(run))
    with pytest.raises(UsageError, match="the model object 'object:model', which has no files; pass"):
        model_of(run)


def test_objects_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    module, tokenizer = object_and_tokenizer(tmp_path)
    with pytest.raises(UsageError, match="needs its tokenizer"):
        load_model(module)
    with pytest.raises(
        UsageError, match="the model object has the architecture BertModel; of the family 'bert'"
    ):
        load_model(module.bert, tokenizer=tokenizer)
    with pytest.raises(UsageError, match="is a masked-lm object"):
        load_model(module, tokenizer=tokenizer, task="classifier")
    with pytest.raises(UsageError, match="brings its own tokenizer"):
        load_model("demo", tokenizer=tokenizer)

    class Adapted(torch.nn.Linear):
        """Something that adds to a layer, as LoRA does."""

    module.bert.encoder.layer[0].attention.self.query = Adapted(16, 16)
    with pytest.raises(UsageError, match=r"layer\.0\.attention\.self\.query' .* is a Adapted, which is not"):
        load_model(module, tokenizer=tokenizer)
    meta = BertForSequenceClassification(BertConfig(vocab_size=5 + len(WORDS), num_hidden_layers=1)).to(
        "meta"
    )
    with pytest.raises(UsageError, match="on device meta"):
        load_model(meta, tokenizer=tokenizer)
