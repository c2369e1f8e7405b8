"""Which models are loaded, what is refused, and what tells two of them apart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_models import save_classifier, save_masked_lm
from transformers import BertForMaskedLM

from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.models.digests import digest_of_folder
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.common.errors import IpgraphError, UsageError


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_masked_lm(tmp_path_factory.mktemp("masked-lm"))


def without(folder: Path, *beginnings: str) -> Path:
    """Take weights whose names begin so out of a model's file."""
    file = folder / "model.safetensors"
    kept = {name: w for name, w in load_file(file).items() if not name.startswith(beginnings)}
    save_file(kept, file, {"format": "pt"})
    return folder


def test_models_that_do_not_serve_are_refused(masked_lm: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model folder"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no config\.json"):
        load_model(tmp_path / "empty")
    config = json.loads((masked_lm / "config.json").read_text())
    for changed, message in (
        ({"is_decoder": True}, "is a decoder"),
        (
            {"architectures": ["BertLMHeadModel"]},
            "has the architecture BertLMHeadModel; of the family 'bert' these can be used: ",
        ),
    ):
        folder = tmp_path / message.split()[-1]
        folder.mkdir()
        for file in masked_lm.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / "config.json").write_text(json.dumps(config | changed))
        with pytest.raises(UsageError, match=message):
            load_model(folder)


def test_a_model_without_some_weights_is_refused_not_filled_at_random(tmp_path: Path) -> None:
    headless = without(save_classifier(tmp_path / "headless"), "classifier")
    with pytest.raises(IpgraphError, match=r"lacks 2 of the weights of a BertForSeq.*, such as cl"):
        load_model(headless)
    encoder = without(save_masked_lm(tmp_path / "encoder"), "cls.")
    with pytest.raises(IpgraphError, match=r"lacks \d+ of the weights of a BertForMaskedLM, such as cls\."):
        load_model(encoder)


def test_a_decoder_tied_to_the_embeddings_lacks_nothing(tmp_path: Path) -> None:
    """The decoder's weight and bias are the embeddings and the head's own bias: files leave them out."""
    folder = without(save_masked_lm(tmp_path), "cls.predictions.decoder")
    assert BertForMaskedLM.from_pretrained(folder).config.tie_word_embeddings
    assert load_model(folder).task == "masked-lm"


@pytest.mark.parametrize("name", ["cls.predictions.bias", "cls.predictions.decoder.bias"])
def test_an_output_bias_saved_under_one_of_its_names_is_the_models(tmp_path: Path, name: str) -> None:
    """Untied models: which of the two names a file has depends on the library that wrote it."""
    folder = save_masked_lm(tmp_path, tie_word_embeddings=False)
    file = folder / "model.safetensors"
    weights = load_file(file)
    bias = torch.linspace(-1, 1, len(weights["cls.predictions.bias"]))
    names = ("cls.predictions.bias", "cls.predictions.decoder.bias")
    kept = {key: weight for key, weight in weights.items() if key not in names}
    save_file(kept | {name: bias}, file, {"format": "pt"})
    assert torch.equal(load_model(folder).module.cls.predictions.decoder.bias, bias)


def test_a_classifier_needs_no_mask_and_no_padding(tmp_path: Path) -> None:
    folder = save_classifier(tmp_path / "model")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            config = json.loads((folder / name).read_text())
            (folder / name).write_text(json.dumps(config | {"mask_token": None, "pad_token": None}))
    model = load_model(folder)
    assert model.tokenizer.mask_token_id is model.tokenizer.pad_token_id is None
    texts = ("the film is not bad .", "a good film .")
    dataset = Dataset("mine", [Example(make_instance("mine", text, label=1)) for text in texts])
    run = extract(model, dataset, runs_dir=tmp_path, n_steps=4, baseline="zero")
    assert run.run.instances == 2
    with pytest.raises(UsageError, match="has no mask token to start from"):
        extract(model, dataset, runs_dir=tmp_path, n_steps=4, baseline="mask")


def test_a_folders_digest_is_of_every_file_that_a_tokenizer_may_have(tmp_path: Path) -> None:
    digests = {digest_of_folder(tmp_path)}
    names = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model")
    for name in names:
        (tmp_path / name).write_text("a")
        digests.add(digest_of_folder(tmp_path))
    assert len(digests) == 1 + len(names)


def remove_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)


def use_decoder_without_tokens(folder: Path) -> None:
    remove_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["T5Model"]}))


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])


def break_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def use_python_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    changed = config | {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"}
    (folder / "tokenizer_config.json").write_text(json.dumps(changed))


def turn_positions(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"position_embedding_type": "relative_key"}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut, "the weights of model .* could not be read"),
        (break_tokenizer, "the tokenizer of model .* could not be read"),
        (use_python_tokenizer, r"\(BertJapaneseTokenizer\) does not say which word a piece is of"),
        (remove_tokenizer, "has no vocabulary; its files must be"),
        (
            use_decoder_without_tokens,
            "has the architecture T5Model; of the family 'bert' these can be used: BertForMaskedLM, ",
        ),
        (turn_positions, "has relative_key position embeddings; only absolute ones"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_in_a_sentence(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(save_masked_lm(tmp_path))
    with pytest.raises(IpgraphError, match=message):
        load_model(tmp_path)


def test_ctrl_c_while_a_library_is_imported_stays_one(
    masked_lm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:  # as libraries in C++ turn it into their own error
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr(BertForMaskedLM, "from_pretrained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_model(masked_lm)


def test_a_revision_is_of_hub_models(masked_lm: Path) -> None:
    for name in (masked_lm, "demo"):
        with pytest.raises(UsageError, match="revision 'v1' is of a hub model, and"):
            load_model(name, revision="v1")


def test_the_digest_follows_weights_config_and_tokenizer(masked_lm: Path, tmp_path: Path) -> None:
    keys = {load_model(masked_lm).key}
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        folder = save_masked_lm(
            tmp_path / name, initializer_range=0.4 if name.endswith("safetensors") else 0.5
        )
        if name.endswith("json"):
            (folder / name).write_text((folder / name).read_text() + "\n")
        keys.add(load_model(folder).digest)
    for name in ("special_tokens_map.json", "added_tokens.json"):
        (folder / name).write_text("{}")
        keys.add(load_model(folder).digest)
    assert len(keys) == 6
