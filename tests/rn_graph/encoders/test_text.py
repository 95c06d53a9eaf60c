from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.encoders import Sentences, Words

VOCABULARY = 9
both = pytest.mark.parametrize("kind", [Sentences, Words])
texts = st.lists(
    st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=5),
    min_size=1,
    max_size=6,
)


def padded(rows, width, filler):
    words = torch.full((len(rows), width), filler)
    for row, text in enumerate(rows):
        words[row, : len(text)] = torch.tensor(text)
    return {"words": words, "num_words": torch.tensor([len(t) for t in rows])}


def tag(t, length):
    return 2 * t / (length - 1) - 1 if length > 1 else 0.0


@settings(deadline=None, max_examples=25)
@given(texts, st.integers(-3, 12), st.data())
def test_each_sentence_of_each_story(rows, filler, data):
    story = sorted(
        data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=6))
    )[: len(rows)]
    sentences = Sentences(VOCABULARY, 3, 4).double()
    batch = padded(rows, 6, filler)
    nodes = sentences(SimpleNamespace(**batch, batch=torch.tensor(story)))
    assert nodes.x.shape == (len(rows), sentences.out_channels)
    assert nodes.batch.tolist() == story
    for i, words in enumerate(rows):
        alone = sentences.encoder(
            torch.tensor([words]), torch.tensor([len(words)])
        )[0]
        torch.testing.assert_close(nodes.x[i, :4], alone)
        t = i - story.index(story[i])
        expected = tag(t, story.count(story[i]))
        assert nodes.x[i, 4].item() == pytest.approx(expected)
        assert nodes.pos[i].tolist() == [t]


@settings(deadline=None, max_examples=25)
@given(texts, st.integers(-3, 12))
def test_each_word_of_each_text(rows, filler):
    words = Words(VOCABULARY, 4).double()
    rows = [*rows, []]  # a text without words has no objects
    nodes = words(SimpleNamespace(**padded(rows, 6, filler)))
    i = 0
    for g, text in enumerate(rows):
        for t, word in enumerate(text):
            assert torch.equal(nodes.x[i, :4], words.embedding.weight[word])
            assert nodes.x[i, 4].item() == pytest.approx(tag(t, len(text)))
            assert nodes.pos[i].tolist() == [t]
            assert nodes.batch[i] == g
            i += 1
    assert nodes.x.shape == (i, words.out_channels)


def test_one_story_where_none_is_named():
    batch = SimpleNamespace(**padded([[1, 2], [3]], 2, 0))
    assert Sentences(VOCABULARY)(batch).batch.tolist() == [0, 0]


@both
def test_no_text_at_all(kind):
    none = torch.zeros(0, 3, dtype=torch.long)
    nodes = kind(VOCABULARY)(
        SimpleNamespace(words=none, num_words=none[:, 0], batch=none[:, 0])
    )
    assert nodes.x.shape == (0, 33)
    assert nodes.pos.shape == (0, 1)


@both
def test_new_parameters(kind):
    torch.manual_seed(0)
    module = kind(VOCABULARY)
    batch = SimpleNamespace(**padded([[1, 2], [3]], 2, 0))
    before = module(batch).x
    module.reset_parameters()
    assert not torch.equal(module(batch).x, before)


@both
@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"words": None}, ValueError, "`batch.words` is missing"),
        ({"num_words": None}, ValueError, "`batch.num_words` is missing"),
        ({"words": [[1]]}, TypeError, "`batch.words` is list"),
        ({"words": torch.ones(2, 2)}, TypeError, "is torch.float32"),
        ({"words": torch.ones(2).long()}, ValueError, r"has shape \[2\]"),
        ({"words": torch.full((2, 2), 9)}, ValueError, r"in \[0, 9\)"),
        ({"num_words": torch.tensor([1, 3])}, ValueError, "holds"),
        ({"num_words": torch.tensor([1])}, ValueError, r"shape \[1\]"),
        ({"num_words": torch.ones(2)}, TypeError, "is torch.float32"),
    ],
)
def test_bad_input(kind, changed, error, text):
    batch = SimpleNamespace(**(padded([[1, 2], [3]], 2, 0) | changed))
    with pytest.raises(error, match=text):
        kind(VOCABULARY)(batch)


@both
@pytest.mark.parametrize(
    ("sizes", "error", "text"),
    [
        ({"vocab_size": 0}, ValueError, "`vocab_size` is 0"),
        ({"channels": 0}, ValueError, "`channels` is 0"),
        ({"channels": 1.5}, TypeError, r"`channels` is 1\.5"),
        ({"pad": -1}, ValueError, "`pad` is -1"),
        ({"pad": 5}, ValueError, "`pad` is 5, expected a word of the 5"),
    ],
)
def test_sizes_that_cannot_be(kind, sizes, error, text):
    with pytest.raises(error, match=text):
        kind(**{"vocab_size": 5, **sizes})
