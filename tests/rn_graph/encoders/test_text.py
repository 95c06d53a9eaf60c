from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.encoders import Sentences, SentenceWords, Words
from rn_graph.encoders.text import distinct_rows

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


@settings(deadline=None, max_examples=50)
@given(texts, st.integers(-3, 12), st.sampled_from([9, 200, 2**40]))
def test_rows_that_are_the_same(rows, filler, size):
    batch = padded(rows, 6, filler)
    row, first = distinct_rows(batch["words"], batch["num_words"], size)
    assert len(first) == len({tuple(text) for text in rows})
    for i, text in enumerate(rows):
        assert rows[first[row[i]]] == text


def test_a_sentence_is_read_once():
    sentences = Sentences(VOCABULARY)
    seen = []
    sentences.encoder.register_forward_pre_hook(
        lambda _, inputs: seen.append(len(inputs[0]))
    )
    sentences(SimpleNamespace(**padded([[1, 2], [3], [1, 2], [1]], 2, 0)))
    assert seen == [3]


def test_gradients_reach_a_sentence_from_each_place_that_it_stands_at():
    sentences = Sentences(VOCABULARY, 3, 4).double()
    batch = SimpleNamespace(**padded([[1, 2], [3], [1, 2]], 2, 0))
    weight = torch.randn(3, 5).double()
    (sentences(batch).x * weight).sum().backward()
    found = sentences.encoder.embedding.weight.grad.clone()
    sentences.zero_grad()
    each = sentences.encoder(batch.words, batch.num_words)
    (each * weight[:, :4]).sum().backward()
    torch.testing.assert_close(sentences.encoder.embedding.weight.grad, found)


@settings(deadline=None, max_examples=25)
@given(texts, st.integers(-3, 12))
def test_each_word_of_each_sentence(rows, filler):
    story = sorted(i % 2 for i in range(len(rows)))
    words = SentenceWords(VOCABULARY, 4, num_places=6).double().eval()
    batch = SimpleNamespace(
        **padded(rows, 6, filler), batch=torch.tensor(story)
    )
    nodes = words(batch)
    i = 0
    for s, text in enumerate(rows):
        u, count = s - story.index(story[s]), story.count(story[s])
        for t, word in enumerate(text):
            x = nodes.x[i]
            assert torch.equal(x[:4], words.words.embedding.weight[word])
            assert x[4].item() == pytest.approx(tag(t, len(text)))
            assert x[5].item() == pytest.approx(tag(u, count))
            assert x[6:].argmax() == u
            assert x[6:].sum() == 1
            assert nodes.pos[i].tolist() == [u, t]
            assert nodes.batch[i] == story[s]
            i += 1
    assert nodes.x.shape == (i, words.out_channels)


def test_a_story_s_index_is_told():
    torch.manual_seed(0)
    batch = SimpleNamespace(**padded([[1, 2], [3]], 2, 0))
    sentences = Sentences(VOCABULARY, 3, 4, num_places=3).eval()
    assert sentences(batch).x.shape == (2, sentences.out_channels) == (2, 8)
    assert torch.equal(sentences(batch).x[:, 5:], torch.eye(3)[:2])
    for kind in (Sentences, SentenceWords):
        with pytest.raises(ValueError, match="2 elements, expected at most 1"):
            kind(VOCABULARY, num_places=1)(batch)
    words = SentenceWords(VOCABULARY)
    before = words(batch).x
    words.reset_parameters()
    assert not torch.equal(words(batch).x, before)
