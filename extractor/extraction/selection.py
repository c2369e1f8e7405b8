"""Which of a dataset's examples a run works on, as its model reads them."""

from ipgraph.extractor.datasets import Dataset, Skipped, subset
from ipgraph.extractor.datasets.example import in_words
from ipgraph.extractor.models.encoding import Encoded, encode
from ipgraph.extractor.models.loading import Model
from ipgraph.graphstore.common.errors import UsageError


def select(
    model: Model,
    dataset: Dataset,
    *,
    qoi: str,
    limit: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    answers: str | None = None,
    strict: bool = False,
    allow_unk: bool = False,
) -> tuple[list[Encoded], list[Skipped]]:
    """Return the encoded sentences to work on, and every row that cannot be used; see `extract`.

    Raises UsageError for a dataset of another task, for one without a usable row, and with `strict` for the
    first row that cannot be used.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; it must be at least 1")
    if dataset.examples and not dataset.serves(model.task):
        raise UsageError(
            f"dataset {dataset.name!r} is for a {' or '.join(dataset.tasks)} model, "
            f"and model {model.name!r} is a {model.task}"
        )
    sentences, skipped = encode(
        model, dataset.examples, qoi=qoi, answers=answers, allow_unk=allow_unk, max_tokens=max_tokens
    )
    if skipped and strict:
        raise UsageError(f"{skipped[0].where}: {skipped[0].reason}")
    skipped = [*dataset.skipped, *skipped]
    if not sentences:
        raise _without_rows(model, dataset, skipped)
    if limit is not None:
        sentences = _limited(sentences, dataset, limit, seed)
    return sentences, skipped


def _limited(sentences: list[Encoded], dataset: Dataset, limit: int, seed: int) -> list[Encoded]:
    usable = {sentence.instance.id for sentence in sentences}
    chosen = subset([e for e in dataset.examples if e.instance.id in usable], limit, seed)
    ids = {example.instance.id for example in chosen}
    return [sentence for sentence in sentences if sentence.instance.id in ids]


def _without_rows(model: Model, dataset: Dataset, skipped: list[Skipped]) -> UsageError:
    why = f": {in_words(skipped)}" if skipped else ""
    return UsageError(f"dataset {dataset.name!r} has no row that model {model.name!r} can use{why}")
