"""What a sentence costs on this machine: memory as planned, time as measured once."""

import time
from dataclasses import dataclass

import torch

from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.inspection.sentences import sentences
from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.models.heads import NO_LOGIT
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.memory import out_of_memory_as_error, plan, sentence_bytes
from ipgraph.extractor.tracing.sampling import LADDER
from ipgraph.extractor.tracing.trace import Trace


@dataclass(frozen=True)
class Trial:
    """The guided patterns of one sentence, at both levels."""

    sentence: str
    tokens: int
    points: int
    seconds: float
    memory: int  # bytes, planned
    weights: int  # bytes
    machine: str


def run_trial(model: LoadedModel) -> Trial:
    """Extract the patterns of a typical sentence twice, and time the second time.

    Raises IpgraphError where memory does not suffice.
    """
    sentence, points = sentences(model)[0], LADDER[0]
    length = len(sentence.ids)
    how = plan(model, length, points, sentences=1)
    path, baseline = Options().integration_path(model, points), Options().baseline_of(model)
    batch = sentence.batch((0, NO_LOGIT), model.device)
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        with torch.no_grad(), out_of_memory_as_error(model):
            trace = Trace(model.adapter, batch, path, sentence.starts(model, baseline), keep=how.keep)
            for words in torch.arange(length, device=model.device)[None].split(how.words, 1):
                attention_paths(trace, embedding_paths(trace, words)).influence.tolist()
        seconds = time.perf_counter() - started
    return Trial(
        sentence=sentence.text,
        tokens=length,
        points=points,
        seconds=seconds,
        memory=sentence_bytes(model, length, points, how),
        weights=sum(weight.nbytes for weight in model.module.parameters()),
        machine=_machine(model),
    )


def _machine(model: LoadedModel) -> str:
    kind = str(model.dtype).removeprefix("torch.")
    if model.device.type == "cuda":
        return f"{torch.cuda.get_device_name(model.device)}, {kind}"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {kind}"
