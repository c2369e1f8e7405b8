"""Figures: what a diagram of one sentence or of many holds, counted by hand."""

import pytest
from support.diagrams import SKIP, TWO_WORDS, attention, embedding, sentence

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.views.flow import finest, of_condition, of_sentence


def test_hops_become_edges_with_heads_from_1_and_the_influence_so_far() -> None:
    drawn = of_sentence(TWO_WORDS)
    assert [(e.layer, e.source, e.target, e.through, e.sign) for e in drawn.edges] == [
        (1, 0, 0, "skip", 1),
        (1, 1, 3, "1", -1),
        (2, 0, 3, "5", 1),
        (2, 3, 3, "skip", -1),
    ]
    assert [e.weight for e in drawn.edges] == pytest.approx([0.9, 0.45, 0.81, 0.405])
    assert drawn.title == "plural   are − is = +1.25"


def test_the_embedding_level_has_no_heads() -> None:
    drawn = of_sentence(TWO_WORDS, "embedding")
    assert {(e.source, e.target, e.through) for e in drawn.edges if e.layer == 2} == {(0, 3, ""), (3, 3, "")}
    assert finest([TWO_WORDS]) == "attention"
    assert finest([sentence(embedding(0, 1.0, 0, 3))]) == "embedding"


def test_words_below_the_threshold_are_left_out_but_keep_their_bars() -> None:
    one = sentence(
        attention(0, 0.96, (SKIP, 0), (SKIP, 3)), attention(1, -0.04, (SKIP, 1), (SKIP, 3), influence=-0.01)
    )
    assert {e.source for e in of_sentence(one).edges if e.layer == 1} == {0}
    assert {e.source for e in of_sentence(one, threshold=0.04).edges if e.layer == 1} == {0, 1}
    bars = of_sentence(one).rows[1].bars
    assert bars == pytest.approx((-0.04, None, -0.01 * 0.9**2), nan_ok=True)


def test_patterns_of_one_sign_that_share_a_hop_share_an_edge() -> None:
    same = ((3, 3), (SKIP, 3))
    one = sentence(*(attention(at, g, *same) for at, g in ((0, 1.0), (1, 1.0), (2, -1.0))))
    last = [e for e in of_sentence(one).edges if e.layer == 2]
    assert [(e.sign, round(e.weight, 6)) for e in last] == [(-1, 0.405), (1, 0.81)]


def test_an_aggregate_counts_instances_and_names_rows_by_role_where_words_differ() -> None:
    path = ((SKIP, 0), (5, 3))
    group = [
        sentence(attention(0, 1.0, *path), attention(1, 1.0, (SKIP, 1), (5, 3)), tokens="a b c d"),
        sentence(attention(0, 1.0, *path), attention(1, 1.0, (SKIP, 1), (6, 3)), tokens="a x c d"),
        sentence(attention(0, -1.0, *path), attention(1, 1.0, (SKIP, 1), (5, 3)), tokens="a y c d"),
    ]
    drawn = of_condition(group, "plural", min_share=0)
    assert {(e.source, e.through, e.sign): e.weight for e in drawn.edges if e.layer == 2} == pytest.approx(
        {(0, "5", 1): 2 / 3, (0, "5", -1): 1 / 3, (1, "5", 1): 2 / 3, (1, "6", 1): 1 / 3}
    )
    assert [(row.label, row.is_role) for row in drawn.rows] == [
        ("a", False),
        ("noun", True),
        ("c", False),
        ("d", False),
    ]
    assert drawn.rows[0].bars[0] == pytest.approx(1 / 3)
    assert drawn.title == "plural   n = 3"
    assert {e.weight for e in of_condition(group, "plural", min_share=0.5).edges} == {2 / 3, 1.0}


def test_an_aggregate_refuses_sentences_of_several_structures_and_none() -> None:
    other = sentence(attention(0, 1.0, (SKIP, 0), (SKIP, 3)), roles="det noun other end")
    with pytest.raises(UsageError, match=r"are of 2 structures \(1, 1\), which differ in roles, so"):
        of_condition([TWO_WORDS, other], "plural")
    with pytest.raises(UsageError, match="no instance"):
        of_condition([], "plural")


def test_a_level_that_a_run_lacks_is_an_error() -> None:
    with pytest.raises(UsageError, match="no patterns at the embedding level in this run; it has attention"):
        of_sentence(sentence(attention(0, 1.0, (SKIP, 3))), "embedding")
