"""Whether a model's adapter says what the model does: its logits and influences beside slow, plain ones.

What they are compared with runs the Hugging Face model itself: its own logits, and the oracle, which detaches
whatever a pattern leaves out and differentiates what is left.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.inspection.defaults import starts
from ipgraph.extractor.inspection.sentences import COUNT, Sentence, sentences
from ipgraph.extractor.methods.patterns.paths import Paths
from ipgraph.extractor.methods.patterns.search import attention_paths, candidates_along, embedding_paths
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.files import quiet
from ipgraph.extractor.models.heads import NO_LOGIT
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.models.oracle import Path, Question
from ipgraph.extractor.tracing.batch import IntegrationPath
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import IpgraphError, UsageError

N_STEPS, LAYERS = 4, 4
TOLERANCE = 1e-4
"""Of the largest logit or |g|. Transformers itself computes norms, softmax and angles of some families in
float32, which limits these to about 1e-6, in unlucky sentences 1e-5; the others agree to 1e-12."""

OnCompared = Callable[[int, int], None]
"""Called with how many comparisons are done and how many there are."""


@dataclass(frozen=True)
class Comparison:
    """One kind of number of one sentence, ours beside the plain ones.

    The difference is the largest, relative to the largest logit, or to the sentence's largest |g|.
    """

    sentence: str
    word: str  # whose candidates are compared, "" where all words are
    what: str
    layer: int | None  # from 1
    compared: int
    difference: float
    agrees: bool | None = None  # whether the choice among candidates is the same; None where there is none

    @property
    def is_right(self) -> bool:
        """Whether the difference is within TOLERANCE (NaN is not) and the choice the same."""
        return self.difference <= TOLERANCE and self.agrees is not False


def check(model: LoadedModel, on_compared: OnCompared | None = None) -> list[Comparison]:
    """Compare a model's logits with transformers, and influences with the oracle, in three sentences.

    These are all words' total influences and, for one word at 4 Gauss-Legendre points, those of every
    candidate in four layers, evenly spread: of positions, then of heads and skip. Raises UsageError for a
    model that is not in float64 on the CPU, as the oracle is.
    """
    if model.dtype != torch.float64 or model.device.type != "cpu":
        raise UsageError(f"model {model.name!r} is checked in float64 on the CPU; load it so")
    found: list[Comparison] = []
    depth = len(model.adapter.layers)
    total = COUNT * (2 + len(spread(depth - 1)) + len(spread(depth)))
    with quiet(), _as_the_oracle_needs_it(model), torch.no_grad():
        for sentence in sentences(model):
            for comparison in _comparisons(model, sentence):
                found.append(comparison)
                if on_compared is not None:
                    on_compared(len(found), total)
    return found


def require_right(model: LoadedModel, comparisons: Sequence[Comparison]) -> None:
    """Raise IpgraphError, naming the worst, where a comparison is not right."""
    wrong = [c for c in comparisons if not c.is_right]
    if not wrong:
        return
    worst = next((c for c in wrong if c.difference != c.difference), max(wrong, key=lambda c: c.difference))
    where = f" in layer {worst.layer}" if worst.layer else ""
    raise IpgraphError(
        f"the patterns of model {model.name!r} cannot be trusted: {len(wrong)} of {len(comparisons)} "
        f"comparisons fail; {worst.what}{where} differ by {worst.difference:.1e} in {worst.sentence!r} "
        f"(tolerance {TOLERANCE:.0e})"
    )


def spread(count: int) -> list[int]:
    """Return up to four of so many layers, the first and the last among them, evenly spread."""
    return sorted({round(i * (count - 1) / (LAYERS - 1)) for i in range(LAYERS)}) if count else []


@contextmanager
def _as_the_oracle_needs_it(model: LoadedModel) -> Iterator[None]:
    """Let the Hugging Face model take batches, and compute attention in the way that states every step."""
    config = model.module.config
    padding, attention = getattr(config, "pad_token_id", None), config._attn_implementation
    upcast = [part for part in model.module.modules() if getattr(part, "reorder_and_upcast_attn", False)]
    model.module.set_attn_implementation("eager")
    for part in upcast:  # of GPT-2: the same numbers, but in float32 alone
        part.reorder_and_upcast_attn = False
    if padding is None:
        config.pad_token_id = -1  # no token; without any, classifiers refuse the oracle's batches
    try:
        yield
    finally:
        config.pad_token_id = padding
        for part in upcast:
            part.reorder_and_upcast_attn = True
        model.module.set_attn_implementation(attention)


def _comparisons(model: LoadedModel, sentence: Sentence) -> Iterator[Comparison]:
    theirs = oracle.logits(model.module, sentence.ids)[0]
    theirs = theirs if theirs.dim() == 1 else theirs[sentence.target]
    question, trace = _asked(model, sentence, theirs)
    ours = trace.logits(torch.arange(len(theirs), device=model.device)[None])[0, 0]
    largest = float(theirs.abs().max())
    yield Comparison(sentence.text, "", "logits", None, len(ours), _difference(ours, theirs, largest))
    with torch.enable_grad():
        totals = _float64(oracle.integrated_gradients(model.module, question))
    largest = float(totals.abs().max())
    difference = _difference(trace.total_influence[0], totals, largest)
    yield Comparison(sentence.text, "", "words' influences", None, len(totals), difference)
    yield from _of_one_word(model, sentence, question, trace, largest)


def _asked(model: LoadedModel, sentence: Sentence, logits: Tensor) -> tuple[Question, Trace]:
    """Return the same question to the oracle and as a trace: the two largest logits' difference."""
    correct, *others = logits.topk(min(2, len(logits))).indices.tolist()
    points, weights = oracle.gauss_legendre(N_STEPS)
    start = starts(model, sentence)
    wrong = others[0] if others else None
    question = Question(sentence.ids, sentence.target, correct, wrong, start, points, weights)
    batch = sentence.batch((correct, NO_LOGIT if wrong is None else wrong), model.device)
    return question, Trace(model.adapter, batch, IntegrationPath(points, weights), start[None])


def _of_one_word(
    model: LoadedModel, sentence: Sentence, question: Question, trace: Trace, largest: float
) -> Iterator[Comparison]:
    """Yield the comparisons of all candidates along the guided path of one word."""
    word = _word_with_choices(trace)
    if word is None:
        return
    embedding = embedding_paths(trace, torch.tensor([[word]], device=model.device))
    attention = attention_paths(trace, embedding)
    (name,) = model.tokenizer.convert_ids_to_tokens([sentence.ids[word]])
    for found, what in ((embedding, "positions"), (attention, "heads and skip")):
        by_layer = candidates_along(trace, found)
        for index in spread(len(by_layer)):
            scores, valid = (x[0, 0] for x in by_layer[index])
            numbers = valid.nonzero()[:, 0]
            paths = [_path(found, index, number) for number in numbers.tolist()]
            with torch.enable_grad():
                theirs = _float64(oracle.influences(model.module, question, paths))
            difference = _difference(scores[numbers], theirs, largest)
            signed = theirs if trace.total_influence[0, word] >= 0 else -theirs
            chosen = signed[numbers == _chosen(found, index)]
            agrees = bool(signed.max() - chosen <= TOLERANCE * largest)
            yield Comparison(sentence.text, name, what, index + 1, len(numbers), difference, agrees)


def _word_with_choices(trace: Trace) -> int | None:
    """Return the word whose path leaves most candidates, of equal ones that of most influence.

    In a decoder a path may reach the target at once, where no choice is left.
    """
    words = trace.has_pattern[0].nonzero()[:, 0]
    if not len(words):
        return None
    by_layer = candidates_along(trace, embedding_paths(trace, words[None]))
    count = sum((by_layer[index][1][0].sum(-1) for index in spread(len(by_layer))), torch.zeros_like(words))
    strength = trace.total_influence[0].abs()[words]
    _, _, word = max(zip(count.tolist(), strength.tolist(), words.tolist(), strict=True))
    return int(word)


def _chosen(found: Paths, index: int) -> int:
    """Return the candidate that a path takes in a layer."""
    if found.choices is None:
        return int(found.positions[0, 0, index + 1])
    return int(found.choices[0, 0, index]) + 1


def _path(found: Paths, index: int, candidate: int) -> Path:
    """Return a path up to a layer, and there a candidate, as the oracle names it."""
    word, *positions = found.positions[0, 0].tolist()
    if found.choices is None:
        return Path(word, (*positions[:index], candidate))
    hops = found.choices[0, 0, :index].tolist()
    return Path(word, tuple(positions), (*hops, candidate - 1))


def _difference(ours: Tensor, theirs: Tensor, largest: float) -> float:
    """Return the largest difference relative to `largest`; zeros differ from zeros by nothing."""
    difference = float((ours - theirs).abs().max())
    return difference / largest if difference else 0.0


def _float64(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device="cpu")
