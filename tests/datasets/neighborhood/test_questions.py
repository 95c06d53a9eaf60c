import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.neighborhood.graphs import draw_graphs
from datasets.neighborhood.questions import (
    COLORS,
    DISTANCES,
    MOST_NODES,
    draw_questions,
    parse_question,
    question_vector,
    question_words,
)
from tests.datasets.sort_of_clevr.seen import fresh


@given(st.integers(0, 2**32 - 1), st.integers(16, 40), st.integers(1, 3))
@fresh(4)
def test_the_two_of_a_kind_differ_in_nothing_that_is_nearer(seed, nodes, twos):
    rng = np.random.default_rng(seed)
    edges = draw_graphs(rng, 40, nodes)
    color = rng.integers(0, len(COLORS), (40, nodes))
    asked, wanted, found, good = draw_questions(rng, edges, color, twos)
    assert asked.shape == (40, 3, twos, 2)
    assert wanted.shape == (40, 3, twos)
    assert found.shape == (40, 3, twos, 2, nodes)
    for s in np.flatnonzero(good):
        graph = nx.from_numpy_array(edges[s])
        for k, distance in enumerate(DISTANCES):
            assert len(set(wanted[s, k])) == twos
            for t in range(twos):
                counts = []
                for i in range(2):
                    node, look = int(asked[s, k, t, i]), wanted[s, k, t]
                    far = nx.single_source_shortest_path_length(graph, node)
                    there = [n for n in range(nodes) if far[n] == distance]
                    nearer = [n for n in range(nodes) if far[n] < distance]
                    hits = [n for n in there if color[s, n] == look]
                    assert np.flatnonzero(found[s, k, t, i]).tolist() == hits
                    assert bool(hits) == (i == 0)
                    assert color[s, node] != look
                    of_it = sum(color[s, n] == look for n in nearer)
                    counts.append((len(there), len(nearer), of_it))
                assert counts[0] == counts[1]


def test_scenes_without_enough_to_ask_are_said():
    rng = np.random.default_rng()
    edges = draw_graphs(rng, 200, 32)
    color = rng.integers(0, len(COLORS), (200, 32))
    shares = [draw_questions(rng, edges, color, t)[3].mean() for t in (1, 2, 3)]
    assert 1 > shares[0] > shares[1] > shares[2] > 0
    # All nodes have the colour, or none: there is no node to ask about, or no
    # yes.
    assert not draw_questions(rng, edges, 0 * color, 1)[3].any()


@given(st.data(), st.integers(16, MOST_NODES))
@fresh(20)
def test_a_question_is_read_as_it_is_said(data, nodes):
    node = data.draw(st.integers(0, nodes - 1))
    color, distance = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 2))
    vector = question_vector(node, color, distance, nodes)
    ones = [distance, 3 + color, 9 + node]
    assert vector.shape == (9 + nodes,)
    assert np.flatnonzero(vector).tolist() == ones
    words = question_words(vector)
    assert f" {COLORS[color]} node exactly {DISTANCES[distance]} edge" in words
    assert words.endswith(f"from node {node}?")
    np.testing.assert_array_equal(parse_question(words, nodes), vector)
    assert np.flatnonzero(parse_question(words)).tolist() == ones


def test_other_wordings():
    expected = question_vector(3, 5, 0, 16)
    for words in (
        "is there a gray node exactly 1 edge from node 3?",
        "Is there a grey node exactly  1 edges away from 3",
    ):
        np.testing.assert_array_equal(parse_question(words, 16), expected)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "is there a red node?",
        "is there a mauve node exactly 2 edges from node 3?",
        "is there a red node exactly 3 edges from node 3?",
        "is there a red node exactly 2 edges from node 16?",
        "is there a red node exactly 2 edges from node 3? why",
    ],
)
def test_what_is_no_question_is_refused(words):
    with pytest.raises(ValueError, match=r"`question` is .* expected one as"):
        parse_question(words, 16)
