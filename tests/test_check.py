"""`check` finds what is wrong inside a store, and in what a run differs from its directory."""

import shutil
from pathlib import Path

import ladybug
from fixtures import MEMORY

from ipgraph.graphstore.embedded import EmbeddedStore
from ipgraph.graphstore.runs import RunDirectory


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
