"""The question encoder: neither padding nor batch mates change an answer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.encoders import QuestionEncoder, VectorQuestion

WORDS = 9
QUESTIONS = st.lists(
    st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=7),
    min_size=1,
    max_size=5,
)


def padded(questions, width, filler):
    tokens = torch.full((len(questions), width), filler)
    for row, words in enumerate(questions):
        tokens[row, : len(words)] = torch.tensor(words)
    return tokens, torch.tensor([len(words) for words in questions])


@settings(deadline=None, max_examples=50)
@given(
    questions=QUESTIONS,
    extra=st.integers(0, 4),
    filler=st.integers(-3, WORDS + 3),
    seed=st.integers(0, 2**31),
    heads=st.sampled_from([0, 1, 3]),
)
def test_padding_and_batch_mates_change_nothing(
    questions, extra, filler, seed, heads
):
    torch.manual_seed(seed)
    encoder = QuestionEncoder(WORDS, 3, 4, heads=heads).double()
    longest = max(map(len, questions))
    together = encoder(*padded(questions, longest + extra, filler))
    for row, words in enumerate(questions):
        alone = encoder(torch.tensor([words]), torch.tensor([len(words)]))
        torch.testing.assert_close(
            together[row], alone[0], rtol=1e-12, atol=1e-12
        )


def test_it_is_torchs_lstm_read_to_the_last_word():
    encoder = QuestionEncoder(WORDS, 3, 4)
    words = torch.tensor([[1, 5, 2]])
    _, (state, _) = encoder.lstm(encoder.embedding(words))
    out = encoder(words, torch.tensor([3]))
    torch.testing.assert_close(out, state[0])
    assert encoder.embedding.weight[0].eq(0).all()  # the padding word
    encoder.reset_parameters()
    assert not torch.equal(encoder(words, torch.tensor([3])), out)


def test_heads_read_both_directions_as_the_formula_says():
    encoder = QuestionEncoder(WORDS, 3, 4, heads=2).double()
    words = torch.tensor([1, 5, 2, 7, 3])
    ahead = [
        encoder.lstm(encoder.embedding(words[: t + 1]))[0] for t in range(5)
    ]
    back = [
        encoder.lstm_back(encoder.embedding(words[t:].flip(0)))[0]
        for t in range(5)
    ]
    states = [
        torch.cat([a[-1], b[-1]]) for a, b in zip(ahead, back, strict=True)
    ]
    read = []
    for weight, bias in zip(
        encoder.score.weight, encoder.score.bias, strict=True
    ):
        score = [torch.exp(weight @ state + bias) for state in states]
        total = sum(score)
        parts = zip(score, states, strict=True)
        read.append(sum(a / total * state for a, state in parts))
    expected = encoder.join.weight @ torch.cat(read) + encoder.join.bias

    out = encoder(words.unsqueeze(0), torch.tensor([5]))[0]
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    parameters = [p for p in encoder.parameters() if p is not None]
    torch.testing.assert_close(
        torch.autograd.grad(out.square().sum(), parameters),
        torch.autograd.grad(expected.square().sum(), parameters),
        rtol=1e-10,
        atol=1e-12,
    )
    encoder.reset_parameters()
    assert not torch.equal(encoder(words[None], torch.tensor([5]))[0], out)


def test_many_questions_on_a_cpu_are_encoded_in_parts():
    encoder = QuestionEncoder(WORDS, 3, 4, heads=2).double()
    length = torch.randint(1, 8, (100,))
    tokens = torch.randint(0, WORDS, (100, 7))
    whole = encoder._encode(encoder.embedding(tokens), length)
    torch.testing.assert_close(encoder(tokens, length), whole)
    with torch.backends.mkldnn.flags(enabled=False):
        torch.testing.assert_close(encoder(tokens, length), whole)


@pytest.mark.parametrize(
    ("heads", "width", "text"),
    [
        (-1, 4, "`heads` is -1, expected"),
        (2, 5, "`out_channels` is 5, .* even"),
    ],
)
def test_heads_that_cannot_be(heads, width, text):
    with pytest.raises(ValueError, match=text):
        QuestionEncoder(WORDS, 3, width, heads=heads)


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"vocab_size": 0}, ValueError, "`vocab_size` is 0"),
        ({"embedding_channels": 0}, ValueError, "`embedding_channels` is 0"),
        ({"out_channels": 0}, ValueError, "`out_channels` is 0"),
        ({"heads": 1.5}, TypeError, r"`heads` is 1\.5"),
        ({"pad": -1}, ValueError, "`pad` is -1"),
        ({"pad": 9}, ValueError, "`pad` is 9, expected a word of the 5"),
    ],
)
def test_sizes_that_cannot_be(kwargs, error, text):
    with pytest.raises(error, match=text):
        QuestionEncoder(**{"vocab_size": 5, **kwargs})


def test_no_questions_and_small_indices():
    encoder = QuestionEncoder(WORDS, 3, 4)
    none = torch.zeros(0, 5, dtype=torch.long)
    assert encoder(none, none[:, 0]).shape == (0, 4)
    words, length = torch.tensor([[1, 2]]), torch.tensor([2])
    torch.testing.assert_close(
        encoder(words.int(), length.int()), encoder(words, length)
    )


@pytest.mark.parametrize(
    ("tokens", "length", "error", "text"),
    [
        ([[1, 2]], [2], TypeError, "`tokens` is list, expected an int64"),
        (torch.ones(1, 2), [2], TypeError, "`tokens` is torch.float32"),
        (torch.ones(2).long(), [2], ValueError, r"`tokens` has shape \[2\]"),
        (
            torch.tensor([[1, 9]]),
            [2],
            ValueError,
            r"`tokens` holds .* \[0, 9\)",
        ),
        (
            torch.tensor([[-1, 1]]),
            [2],
            ValueError,
            "`tokens` holds values from -1",
        ),
        (
            torch.ones(2, 2).long(),
            [2],
            ValueError,
            r"`length` has shape \[1\], expected \[2\]",
        ),
        (
            torch.ones(1, 2).long(),
            [0],
            ValueError,
            "`length` holds .* expected 1 to 2",
        ),
        (
            torch.ones(1, 2).long(),
            [3],
            ValueError,
            "`length` holds .* expected 1 to 2",
        ),
        (
            torch.ones(1, 2).long(),
            [1.5],
            TypeError,
            "`length` is torch.float32",
        ),
    ],
)
def test_bad_input(tokens, length, error, text):
    encoder = QuestionEncoder(WORDS, 3, 4)
    with pytest.raises(error, match=text):
        encoder(tokens, torch.tensor(length))


def test_a_vector_goes_as_it_is_or_through_one_layer():
    vector = torch.randn(3, 4).double()
    assert VectorQuestion(4)(vector) is vector
    assert VectorQuestion(4).out_channels == 4
    encoder = VectorQuestion(4, 2.5)
    torch.testing.assert_close(encoder(vector), 2.5 * vector, rtol=0, atol=0)
    assert encoder(vector[:0]).shape == (0, 4)


def test_vectors_that_cannot_be():
    with pytest.raises(ValueError, match="`in_channels` is 0"):
        VectorQuestion(0)
    for scale in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"`scale` is {scale}"):
            VectorQuestion(3, scale)
    encoder = VectorQuestion(3, 2)
    with pytest.raises(ValueError, match=r"`vector` has .* expected \[Q, 3\]"):
        encoder(torch.ones(2, 4))
    with pytest.raises(TypeError, match=r"`vector` is torch.int64"):
        encoder(torch.ones(2, 3).long())
    with pytest.raises(ValueError, match=r"`vector` contains NaN"):
        encoder(torch.full((2, 3), torch.nan))
