"""What a sentence costs on this machine: memory as planned, time as measured once."""

import time
from dataclasses import dataclass

import torch

from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.inspection.sentences import Sentence, sentences
from ipgraph.extractor.methods.patterns.search import attention_paths, embedding_paths
from ipgraph.extractor.models.heads import NO_LOGIT
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.memory import Plan, out_of_memory_as_error, plan, sentence_bytes
from ipgraph.extractor.tracing.sampling import LADDER
from ipgraph.extractor.tracing.trace import Trace


@dataclass(frozen=True)
class Trial:
    """The guided patterns of one sentence, at both levels, with the fewest points that it may settle at."""

    sentence: str
    tokens: int
    points: int
    seconds: float
    memory: int  # bytes, planned
    weights: int  # bytes
    machine: str


def run_trial(model: LoadedModel) -> Trial:
    """Extract the patterns of a typical sentence, and time it after a first try.

    A decoder's sentence is traced at two numbers of points before it can settle. Raises IpgraphError where
    memory does not suffice.
    """
    sentence, rungs = sentences(model)[0], LADDER[: Options().in_a_row(model)]
    length = len(sentence.ids)
    how = plan(model, length, rungs[-1], sentences=1)
    with torch.no_grad(), out_of_memory_as_error(model):
        _search(model, sentence, rungs[0], how)  # warms up
        started = time.perf_counter()
        for points in rungs[:-1]:
            _trace(model, sentence, points, how)
        _search(model, sentence, rungs[-1], how)
    return Trial(
        sentence=sentence.text,
        tokens=length,
        points=rungs[-1],
        seconds=time.perf_counter() - started,
        memory=sentence_bytes(model, length, rungs[-1], how),
        weights=sum(weight.nbytes for weight in model.module.parameters()),
        machine=_machine(model),
    )


def _search(model: LoadedModel, sentence: Sentence, points: int, how: Plan) -> None:
    trace = _trace(model, sentence, points, how)
    for words in torch.arange(len(sentence.ids), device=model.device)[None].split(how.words, 1):
        attention_paths(trace, embedding_paths(trace, words)).influence.tolist()


def _trace(model: LoadedModel, sentence: Sentence, points: int, how: Plan) -> Trace:
    batch, path = sentence.batch((0, NO_LOGIT), model.device), Options().integration_path(model, points)
    starts = sentence.starts(model, Options().baseline_of(model))
    return Trace(model.adapter, batch, path, starts, keep=how.keep)


def _machine(model: LoadedModel) -> str:
    kind = str(model.dtype).removeprefix("torch.")
    if model.device.type == "cuda":
        return f"{torch.cuda.get_device_name(model.device)}, {kind}"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {kind}"
