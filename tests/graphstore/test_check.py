"""`check` finds what is wrong inside a store and in what a run differs; a run is read in batches for it."""

import shutil
from itertools import pairwise
from pathlib import Path

import ladybug
import pytest
from support.fixtures import MEMORY

from ipgraph.graphstore.embedded.store import EmbeddedStore
from ipgraph.graphstore.runs.content import pattern_batches
from ipgraph.graphstore.runs.directory import RunDirectory


def test_check_finds_what_is_wrong_inside(path: Path) -> None:
    for cypher, found in (
        ("MATCH (:Pattern)-[t:THROUGH {step: 3}]->(:Node) DELETE t", "steps, and should have 2508"),
        ("MATCH (:Run)-[r:PRODUCED]->(:Pattern {level: 'embedding'}) DELETE r", "patterns by PRODUCED"),
        ("CREATE (:Instance {id: 'stranger'})", "1 belong to no run"),
        ("MATCH (a:Node)-[f:FLOWS_TO]->(b:Node {kind: 'skip'}) DELETE f", "edges, and should have"),
        ("MATCH (r:Run) SET r.state = 'loading'", "only half loaded"),
    ):
        with ladybug.Database(path, **MEMORY) as database:
            ladybug.Connection(database).execute(cypher)
        with EmbeddedStore(path) as store:
            assert any(found in problem.what for problem in store.check()), cypher


def test_check_compares_the_runs_record(path: Path, run: RunDirectory, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / run.id)
    copy = RunDirectory.open(tmp_path / run.id)
    copy.manifest["run"]["accuracy"] = 0.5
    with EmbeddedStore(path) as store:
        assert [problem.what for problem in store.check([copy])] == [
            "its record differs from the directory's in accuracy"
        ]


@pytest.mark.parametrize("start", [0, 7, 40, 456])
@pytest.mark.parametrize("size", [1, 3, 40, 455, 456, 457])
def test_batches_hold_every_pattern_once_in_order_and_cut_no_instance(
    run: RunDirectory, size: int, start: int
) -> None:
    patterns = list(run.records("patterns"))[start:]
    batches = [batch["id"].to_pylist() for batch in pattern_batches(run, size, start)]
    assert [key for batch in batches for key in batch] == [pattern.id for pattern in patterns]
    assert all(0 < len(batch) <= size for batch in batches)
    owner = {pattern.id: pattern.instance for pattern in patterns}
    for before, after in pairwise(batches):
        if owner[before[-1]] == owner[after[0]]:  # an instance of more patterns than a batch holds
            assert len(before) == size
            assert {owner[key] for key in before} == {owner[after[0]]}
