"""Splitting the work changes nothing but the memory it takes."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
import transformers
from support.tiny_models import save_masked_lm

from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.patterns.paths import Paths
from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.models.adapter import Adapter
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.extractor.models.registry import ARCHITECTURES
from ipgraph.extractor.tracing import memory
from ipgraph.extractor.tracing.batch import Batch, IntegrationPath
from ipgraph.extractor.tracing.memory import Plan, out_of_memory_as_error, plan, sentence_bytes
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import IpgraphError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(save_masked_lm(tmp_path_factory.mktemp("model")), dtype="float64")


def sizes(layers: int, hidden: int, heads: int, inner: int, **others: Any) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        **others,
    }


IDS = {
    "vocab_size": 100,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "cls_token_id": 1,
    "sep_token_id": 2,
}


def test_less_memory_means_fewer_sentences_then_words_then_states(model: LoadedModel) -> None:
    plans = []
    for eighth in range(8 * 32, 0, -1):
        try:
            plans.append(plan(model, 20, 50, budget=int(2 ** (eighth / 8))))
        except IpgraphError as error:
            assert "GiB can be had" in str(error)  # noqa: PT017
            break
    ranks = [(p.keep, p.sentences, p.words) for p in plans]
    assert ranks == sorted(ranks, reverse=True)
    assert plans[0].sentences > 1
    assert any(p.keep and p.sentences == 1 and p.words < 20 for p in plans)
    assert any(not p.keep for p in plans)
    least = sentence_bytes(model, 20, 50, Plan(1, 1, keep=False))
    assert plan(model, 20, 50, budget=least) == Plan(1, 1, keep=False)
    with pytest.raises(IpgraphError, match=r"need .* GiB on cpu"):
        plan(model, 20, 50, budget=least - 1)


def test_free_memory_decides_what_is_split_and_refused(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU batch is small because more gains nothing there; what is asked for, or is long, may take more."""
    whole = next(2**k for k in range(20, 60) if _fits_whole(model, 2**k))
    assert whole > 2**30
    free = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=4 * whole))
    assert plan(model, 512, 50, sentences=64) == Plan(64, 512, keep=True)
    assert plan(model, 512, 50).sentences < 64
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=whole // 64))
    with pytest.raises(IpgraphError, match=r"64 sentence\(s\) of 512 tokens"):
        plan(model, 512, 50, sentences=64)


def group(folder: Path, names: tuple[str, str, str], limit: str, used: int, cache: int) -> None:
    folder.mkdir(parents=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")


def test_limits_of_a_batch_job_or_container_count(tmp_path: Path) -> None:
    second = ("memory.max", "memory.current", "inactive_file")
    group(tmp_path / "slurm", second, "1000", 700, 200)
    group(tmp_path / "slurm" / "job", second, "max", 10, 0)
    assert list(memory._group_limits("0::/slurm/job\n", tmp_path)) == [500]
    group(tmp_path / "memory" / "docker", memory._V1, "900", 300, 50)
    first = "5:cpu,cpuacct:/other\n4:memory:/docker\n1:name=systemd:/docker\n"
    assert list(memory._group_limits(first, tmp_path)) == [650]
    assert list(memory._group_limits("", tmp_path)) == []


def test_a_limit_of_the_process_counts(model: LoadedModel) -> None:
    """In a process of its own, since a limit once lowered stays."""
    code = (
        "import resource, torch, psutil; from ipgraph.extractor.tracing import memory\n"
        "used = psutil.Process().memory_info().vms\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))\n"
        "print(list(memory._limits()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (room,) = json.loads(done.stdout)
    assert 0 < room <= 2**28


def test_running_out_of_memory_all_the_same_is_one_sentence(model: LoadedModel) -> None:
    said = "cpu is out of memory: use a smaller batch size"
    with pytest.raises(IpgraphError, match=said), out_of_memory_as_error(model):
        torch.empty(2**50)
    with pytest.raises(RuntimeError, match="illegal memory access"), out_of_memory_as_error(model):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def _fits_whole(model: LoadedModel, budget: int) -> bool:
    try:
        return plan(model, 512, 50, sentences=64, budget=budget) == Plan(64, 512, keep=True)
    except IpgraphError:
        return False


SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertConfig", "BertForMaskedLM", sizes(8, 96, 6, 384)),
    # Its activation is made of many functions, for each of which autograd holds something.
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", {"n_layer": 8, "n_embd": 96, "n_head": 6}),
    "deep llama": ("LlamaConfig", "LlamaForCausalLM", sizes(30, 72, 9, 192, num_key_value_heads=3)),
    "gemma2": (
        "Gemma2Config",
        "Gemma2ForCausalLM",
        sizes(6, 96, 6, 384, num_key_value_heads=2, head_dim=32, sliding_window=8),
    ),
    "one group": (
        "Qwen3Config",
        "Qwen3ForCausalLM",
        sizes(4, 32, 16, 32, num_key_value_heads=1, head_dim=32),
    ),
    "modernbert": ("ModernBertConfig", "ModernBertForMaskedLM", sizes(6, 96, 6, 144, local_attention=8)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("keep", "words"), [(True, 12), (False, 12), (False, 1)])
def test_a_plan_holds_what_it_promises(shape: str, keep: bool, words: int) -> None:
    """The planned bytes cover the peak of torch's tensors, with what the heap loses, and not much more."""
    config, kind, settings = SHAPES[shape]
    module = getattr(transformers, kind)(getattr(transformers, config)(**settings, **IDS)).eval()
    adapter = ARCHITECTURES[kind].adapter(module.requires_grad_(False))
    model: Any = SimpleNamespace(adapter=adapter, device=torch.device("cpu"), dtype=torch.float32)
    planned = sentence_bytes(model, 12, 16, Plan(1, words, keep))
    peak = _peak_bytes(adapter, keep, words)
    assert 1.2 * peak < planned < 2 * peak


def test_as_many_words_are_searched_at_once_as_fit(model: LoadedModel) -> None:
    for keep in (True, False):
        for words in (1, 7, 19):
            budget = sentence_bytes(model, 20, 50, Plan(1, words, keep))
            found = plan(model, 20, 50, sentences=1, budget=budget)
            assert sentence_bytes(model, 20, 50, found) <= budget
            if found.keep == keep:
                assert found.words == words


@torch.no_grad()
def _peak_bytes(adapter: Adapter, keep: bool, words: int) -> int:
    from torch.profiler import ProfilerActivity, profile

    ids = torch.arange(10, 22)[None]
    seen_by = Batch(
        ids, torch.zeros_like(ids), torch.ones_like(ids) > 0, torch.tensor([11]), torch.tensor([[7, 8]])
    )
    path = IntegrationPath(torch.linspace(0, 1, 16), torch.full((16,), 1 / 16))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        trace = Trace(adapter, seen_by, path, adapter.words[4], keep=keep)
        attention_paths(trace, embedding_paths(trace, torch.arange(12 - words, 12)[None]))
    level = peak = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            level += event.nbytes()
            peak = max(peak, level)
    return peak


@pytest.mark.parametrize(("keep", "words"), [(False, 8), (True, 3), (False, 1)])
def test_splitting_gives_the_same_patterns(model: LoadedModel, keep: bool, words: int) -> None:
    ids = [[2, 5, 7, 9, 6, 4, 13, 3], [2, 6, 8, 9, 5, 4, 14, 3]]
    for whole, split in zip(
        _refinements(model, ids, keep=True, words=8),
        _refinements(model, ids, keep=keep, words=words),
        strict=True,
    ):
        for expected, found in zip(_tensors(whole), _tensors(split), strict=True):
            torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=1e-12)


@torch.no_grad()
def _refinements(model: LoadedModel, ids: list[list[int]], *, keep: bool, words: int) -> list[Paths]:
    from ipgraph.extractor.tracing.batch import Batch

    tokens = torch.tensor(ids)
    rows, targets = torch.tensor([[12, 13]] * len(ids)), torch.full((len(ids),), 5)
    options = Options()
    trace = Trace(
        model.adapter,
        Batch(tokens, torch.zeros_like(tokens), torch.ones_like(tokens, dtype=torch.bool), targets, rows),
        options.integration_path(model, 50),
        options.baseline_of(model).embedding,
        keep=keep,
    )
    embedding, attention = [], []
    for some in torch.split(torch.arange(tokens.shape[1]), words):
        embedding.append(embedding_paths(trace, some.expand(len(ids), -1)))
        attention.append(attention_paths(trace, embedding[-1]))
    return [_joined(embedding), _joined(attention)]


def _joined(parts: list[Paths]) -> Paths:
    columns = [torch.cat(column, 1) for column in zip(*(_tensors(part) for part in parts), strict=True)]
    positions, *choices, influence, margin, runner_up = columns
    return Paths(positions, choices[0] if choices else None, influence, margin, runner_up)


def _tensors(part: Paths) -> list[torch.Tensor]:
    return [x for x in vars(part).values() if x is not None]
