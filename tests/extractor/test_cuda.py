"""On a GPU the numbers are the CPU's."""

import math
from pathlib import Path

import pytest
import torch
from support.extractions import AGREEMENT
from support.requirements import missing
from support.tiny_models import save_decoder, save_masked_lm

from ipgraph.extractor.extraction.extract import extract


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cuda_gives_the_cpus_patterns(tmp_path: Path, dtype: str, kind: str) -> None:
    if not torch.cuda.is_available():
        missing("cuda", "run on a machine with a CUDA device")
    folder = tmp_path / "model"
    model = (
        save_masked_lm(folder) if kind == "encoder" else save_decoder(folder, "llama", "causal-lm", bos=True)
    )
    cpu, cuda = (
        extract(model, AGREEMENT, runs_dir=tmp_path / device, device=device, dtype=dtype, n_steps=8)
        for device in ("cpu", "cuda")
    )
    qoi = {e.instance: abs(e.qoi) for e in cpu.records("predictions")}
    close = 1e-5 if dtype == "float32" else 1e-10
    theirs = {p.id: p for p in cuda.records("patterns")}
    margins = {(s.pattern, s.step): s.margin for s in cpu.records("steps")}
    for pattern in cpu.records("patterns"):
        other = theirs[pattern.id]
        gaps = (margins[pattern.id, step] for step in range(len(pattern.path)))
        least = min((gap for gap in gaps if gap is not None), default=math.inf)
        if least > close * qoi[pattern.instance]:
            assert other.path == pattern.path
            assert other.influence == pytest.approx(
                pattern.influence, abs=close * max(1, qoi[pattern.instance])
            )
