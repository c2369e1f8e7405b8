"""`extract`: a model and a dataset in, a finished run directory of patterns or token scores out."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ipgraph.extractor.datasets import Dataset, load
from ipgraph.extractor.datasets.example import in_words
from ipgraph.extractor.extraction.batching import batch_sentences
from ipgraph.extractor.extraction.engines.engine import Engine
from ipgraph.extractor.extraction.engines.local import LocalEngine
from ipgraph.extractor.extraction.identity import fields, request_environment, settings
from ipgraph.extractor.extraction.job import Job, Sentences
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.extraction.selection import select
from ipgraph.extractor.models.loading import Model, load_any
from ipgraph.graphstore.common.errors import SkippedRows, UsageError
from ipgraph.graphstore.runs.directory import SHARD_INSTANCES, RunDirectory, run_id
from ipgraph.graphstore.runs.finding import require_free_label

if TYPE_CHECKING:
    from ipgraph.extractor.datasets.files import Given
    from ipgraph.extractor.datasets.layouts.objects import Records

Progress = Callable[[int, int], None]


def extract(
    model: Any = "demo",
    dataset: "str | Path | Dataset | Records" = "sva-obj",
    *,
    runs_dir: str | Path = "runs",
    method: str = "gpr",
    level: str = "both",
    qoi: str = "correct-wrong",
    baseline: str | None = None,
    n_steps: int | Literal["auto"] = "auto",
    quadrature: str = "gauss-legendre",
    tolerance: float | None = None,
    move_first: bool = False,
    at: str = "word",
    position_correction: str = "none",
    position_decay: float = 1.0,
    label: str = "",
    limit: int | None = None,
    seed: int = 0,
    max_tokens: int | None = None,
    answers: str | None = None,
    strict: bool = False,
    allow_unk: bool = False,
    name: str = "",
    roles: str | Sequence[str] = "",
    columns: "Given" = None,
    tokenizer: Any = None,
    task: str | None = None,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_size: int | str = "auto",
    engine: Engine | None = None,
    on_progress: Progress | None = None,
) -> RunDirectory:
    """Extract every word's patterns, or what another method gives, and return the run directory of them.

    The same request finds its own directory again: finished shards are kept, and a finished run is returned
    at once.

    `model`, `tokenizer`, `task`, `revision`, `device` and `dtype` are those of `load_model`, or `model` is
    what it returned; `dataset` is a Dataset or what `load` takes (a name, a file, a list of dicts, a data
    frame, ...), read with its `name`, `roles` and `columns`; the run directory is made under `runs_dir`.
    `method`, `level`, `qoi`, `baseline`, `quadrature`, `at` and `position_correction` are those of `Options`;
    one that the method does not read must be left as it is. `n_steps` is the
    number of points from baseline to input, or "auto": as many as an instance's completeness error needs to
    be at most `tolerance` (by default 0.01) times the change of its QoI, in a decoder at two numbers of
    points in a row. The published rule is the quadrature "uniform" with 50 points. The first position of a
    decoder keeps its own embedding and gets no pattern, unless `move_first`. `position_decay` is the power of
    the position correction "position".

    `label` is a name for the run, which its id does not depend on; asking again with another one renames it.

    `limit` keeps that many usable instances, spread evenly over conditions and chosen by `seed`; `max_tokens`
    leaves out longer sentences, [CLS] and [SEP] counted; `answers` says how forms of several pieces are
    compared (a name in ANSWERS); `allow_unk` keeps sentences with unknown words; with `strict` a row that
    cannot be used is an error.

    `batch_size` is in sentences, or "auto" for what free memory allows; `engine` says where shards are
    computed (by default in this process); `on_progress` is called with (instances done, all).

    Rows that cannot be used are named in a SkippedRows warning, and kept with the run.
    Raises UsageError for a request that cannot be met, IpgraphError for a model that gives NaN or a shard
    that cannot be written.
    """
    began = time.monotonic()
    sentences_per_batch = batch_sentences(batch_size)
    options = Options(
        method=method,
        level=level,
        qoi=qoi,
        baseline=baseline,
        n_steps=n_steps,
        quadrature=quadrature,
        tolerance=tolerance,
        move_first=move_first,
        at=at,
        position_correction=position_correction,
        position_decay=position_decay,
    )
    if not isinstance(model, Model):
        model = load_any(model, tokenizer=tokenizer, task=task, revision=revision, device=device, dtype=dtype)
    options = options.for_model(model)
    if not isinstance(dataset, Dataset):
        dataset = load(
            dataset, seed=seed, strict=strict, task=model.task, name=name, roles=roles, columns=columns
        )
    elif name or roles or columns:
        raise UsageError(f"dataset {dataset.name!r} is loaded; its name, roles and columns are fixed")
    sentences, skipped = select(
        model,
        dataset,
        qoi=options.qoi,
        limit=limit,
        seed=seed,
        max_tokens=_fewer(max_tokens, options.max_tokens),
        answers=answers,
        strict=strict,
        allow_unk=allow_unk,
    )
    if skipped:
        rows = "1 row" if len(skipped) == 1 else f"{len(skipped)} rows"
        message = f"{rows} of {dataset.name!r} could not be used: {in_words(skipped)}"
        warnings.warn(message, SkippedRows, stacklevel=2)
    identity = settings(model, options, sentences)
    job = Job.of(run_id(identity), model, options, sentences_per_batch)
    run = RunDirectory.create(
        runs_dir,
        identity,
        fields=fields(model, options, dataset.name),
        environment=request_environment(model, sentences_per_batch, seed)
        | {"answers": answers}
        | _columns(dataset),
        shards=-(-len(sentences) // SHARD_INSTANCES),
        files=job.files(sentences),
        skipped=[asdict(row) for row in skipped],
    )
    if label and label != run.label:
        require_free_label(runs_dir, label, run.id)
        run.set_label(label)
    # A run that is resumed keeps the model's name in its node ids, whatever the folder is called by now.
    job = replace(job, key=run.manifest["run"]["model"])
    if (missing := run.missing()) or not run.is_complete or run.derived_faults():
        engine = engine or LocalEngine(model)
        engine.run(run, job, missing, _counter(Sentences(run), missing, on_progress))
        run.finish(seconds=time.monotonic() - began)
    return run


def _fewer(asked: int | None, allowed: int | None) -> int | None:
    """Return the smaller of two limits, None where there is neither."""
    return min((limit for limit in (asked, allowed) if limit is not None), default=None)


def _columns(dataset: Dataset) -> dict[str, object]:
    """Return what is on record about a dataset's columns, {} for one without."""
    return {"columns": {"read": dataset.read, "unread": dataset.unread}} if dataset.read else {}


def _counter(
    sentences: Sentences, missing: Sequence[int], on_progress: Progress | None
) -> Callable[[int], None]:
    """Return what adds up the sentences that are done and tells `on_progress`."""
    total = len(sentences)
    done = total - sum(map(sentences.size, missing))
    if on_progress is not None and missing:
        on_progress(done, total)

    def count(more: int) -> None:
        nonlocal done
        done += more
        if on_progress is not None:
            on_progress(done, total)

    return count
