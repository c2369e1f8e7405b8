"""On a GPU the numbers are the CPU's."""

from pathlib import Path

import pytest
import torch
from support.extractions import AGREEMENT
from support.requirements import missing
from support.tiny_models import save_masked_lm

from ipgraph.extractor.extraction.extract import extract


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cuda_gives_the_cpus_patterns(tmp_path: Path, dtype: str) -> None:
    if not torch.cuda.is_available():
        missing("cuda", "run on a machine with a CUDA device")
    model = save_masked_lm(tmp_path / "model")
    cpu, cuda = (
        extract(model, AGREEMENT, runs_dir=tmp_path / device, device=device, dtype=dtype)
        for device in ("cpu", "cuda")
    )
    qoi = {e.instance: abs(e.qoi) for e in cpu.records("predictions")}
    close = 1e-5 if dtype == "float32" else 1e-10
    theirs = {p.id: p for p in cuda.records("patterns")}
    margins = {(s.pattern, s.step): s.margin for s in cpu.records("steps")}
    for pattern in cpu.records("patterns"):
        other = theirs[pattern.id]
        least = min(m for s in range(len(pattern.path)) if (m := margins[pattern.id, s]) is not None)
        if least > close * qoi[pattern.instance]:
            assert other.path == pattern.path
            assert other.influence == pytest.approx(
                pattern.influence, abs=close * max(1, qoi[pattern.instance])
            )
