import pytest

from datasets.babi.vocabulary import (
    ANSWERS,
    CATEGORIES,
    TASKS,
    TOKENS,
    encode_answer,
    encode_tokens,
    sentence,
    tokenize,
)


def test_each_name_stands_once():
    for names in (TASKS, TOKENS, ANSWERS):
        assert len(set(names)) == len(names)
    assert sum(CATEGORIES.values(), ()) == TASKS
    assert len(ANSWERS) == 60


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Mary got the milk there.", None),
        ("This morning Mary moved to the kitchen.", None),
        ("Afterwards they travelled to the office.", None),
        ("Where is John?", 0),
        ("What is emily afraid of?", 14),
        ("What color is Brian?", 15),
        ("Where will jason go?", 19),
    ],
)
def test_a_sentence_is_written_as_it_was_read(text, task):
    assert sentence(encode_tokens(tokenize(text)), task) == text


def test_what_is_not_known():
    with pytest.raises(ValueError, match="unknown word 'cheese', expected"):
        encode_tokens(["the", "cheese"])
    with pytest.raises(ValueError, match="unknown word '<pad>'"):
        encode_tokens(["<pad>"])
    with pytest.raises(ValueError, match="unknown answer 'cheese', expected"):
        encode_answer("cheese")
