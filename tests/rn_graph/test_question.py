"""The question encoder: neither padding nor batch mates change an answer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph import QuestionAnswering, QuestionEncoder, RelationNetwork

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
)
def test_padding_and_batch_mates_change_nothing(questions, extra, filler, seed):
    torch.manual_seed(seed)
    encoder = QuestionEncoder(WORDS, 3, 4).double()
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


def test_questions_in_words_reach_the_model():
    encoder = QuestionEncoder(WORDS, 3, 4)
    network = RelationNetwork(5, 6, 4, hidden_channels=8, readout_channels=(8,))
    model = QuestionAnswering(encoder, network)
    x, batch = torch.randn(5, 5), torch.tensor([0, 0, 0, 1, 1])
    tokens, length = padded([[1, 2, 3], [4]], 3, 0)
    out = model(x, tokens, length, batch)
    torch.testing.assert_close(out, network(x, encoder(tokens, length), batch))
    swapped = model(
        x, tokens, length, batch, question_batch=torch.tensor([1, 0])
    )
    assert not torch.allclose(out, swapped)
    model.reset_parameters()
    assert not torch.allclose(model(x, tokens, length, batch), out)
