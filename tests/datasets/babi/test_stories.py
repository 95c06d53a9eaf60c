import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.babi.stories import (
    decode,
    read_plain,
    read_stories,
    write_story,
)
from datasets.babi.vocabulary import ANSWERS, sentence
from datasets.babi.world import TASKS, make_story

STORY = """\
1 John travelled to the hallway.
2 Mary journeyed to the bathroom.
3 Where is John? \thallway\t1
4 Daniel went back to the bathroom.
5 What is Mary carrying? \tfootball,apple\t2 4
1 Mice are afraid of cats.
2 What is emily afraid of?\twolf\t1
"""


def read(text):
    return list(read_stories(text.splitlines(), "qa.txt"))


def test_a_file_by_hand():
    first, second = read(STORY)
    assert [sentence(s) for s in first.sentences] == [
        "John travelled to the hallway.",
        "Mary journeyed to the bathroom.",
        "Daniel went back to the bathroom.",
    ]
    a, b = first.questions
    assert (a.after, a.support, ANSWERS[a.answer]) == (2, [0], "hallway")
    # Line 4 is the third sentence: line 3 is a question.
    assert (b.after, b.support) == (3, [1, 2])
    assert ANSWERS[b.answer] == "football,apple"
    assert len(second.sentences) == len(second.questions) == 1


@settings(deadline=None, max_examples=20)
@given(st.integers(), st.sampled_from(TASKS), st.booleans())
def test_what_is_written_is_read(seed, task, blank):
    story = make_story(task, random.Random(seed))
    text = write_story(story, task - 1, blank)
    assert read(text) == [story]
    assert write_story(read(text)[0], task - 1, blank) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Mary got the milk.", "line 1: 'Mary got the milk.' does not begin"),
        ("1 Mary got the milk.\n\n", "line 2: '' does not begin"),
        ("2 Mary got the milk.", "line 1: the number is 2, expected 1"),
        (
            "1 Mary got the milk.\n3 John got the milk.",
            "line 2: the number is 3, expected 2, or 1 for a new story",
        ),
        (
            "1 Mary got the milk.\n2 Where is the milk?",
            "line 2: the question 'Where is the milk?' has no answer",
        ),
        (
            "1 Mary got the milk.\n2 Where is the milk?\toffice",
            "line 2: the question has 2 parts between tabs",
        ),
        (
            "1 Mary got the milk.\n2 Where is the milk?\t\t1",
            "line 2: the question has 3 parts between tabs, one of them",
        ),
        (
            "1 Mary got the milk.\n2 Where is the milk?\toffice\t1 7",
            "line 2: the supporting line '7' is no sentence of the story",
        ),
        (
            "1 Mary got the milk.\n2 Where is the milk?\toffice\t2",
            "line 2: the supporting line '2' is no sentence",
        ),
        (
            "1 Mary got the milk.\n2 Where is the milk?\tParis\t1",
            "line 2: unknown answer 'Paris', expected one of the 60",
        ),
        (
            "1 Mary got the cheese.",
            "line 1: unknown word 'cheese', expected one of bAbI's 145",
        ),
        ("1 Mary got the milk", "line 1: 'Mary got the milk', expected a sent"),
        ("1 .", "line 1: '.' has no words"),
        ("1 Where is the milk?\toffice\t1", "line 1: the question comes befor"),
        (
            "1 Mary got the milk.\n1 John got the milk.",
            "line 1: the story ends without a question",
        ),
        ("1 Mary got the milk.", "line 1: the story ends without a question"),
    ],
)
def test_what_is_no_story(text, message):
    with pytest.raises(ValueError, match=rf"^qa\.txt, {re.escape(message)}"):
        read(text)


def test_what_is_no_text():
    with pytest.raises(ValueError, match=r"qa\.txt, line 2: byte 0xe9 is not"):
        decode(b"1 Mary\n2 Andr\xe9", "qa.txt")
    for empty in (b"", b" \n\n", b"\xef\xbb\xbf"):
        with pytest.raises(ValueError, match=r"qa\.txt is empty, expected"):
            decode(empty, "qa.txt")


def texts(stories):
    return [[sentence(s) for s in story] for story in stories]


def test_a_story_without_numbers():
    data = b"Mary got the milk.\r\nmary went to the office\n\nJohn got up.\n"
    assert texts(read_plain(data, "s.txt")) == [
        ["Mary got the milk.", "Mary went to the office."],
        ["John got up."],
    ]
    numbered = texts(read_plain(STORY.encode(), "s.txt"))
    assert [len(story) for story in numbered] == [3, 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Mary got the milk.\nMary ate it.", "s.txt, line 2: unknown word"),
        (b"Mary got it?", "s.txt, line 1: 'Mary got it?' is a question"),
        (b"1 Where is John?\toffice\t1", "s.txt has no sentence"),
        (b"\n \n", "s.txt is empty"),
    ],
)
def test_what_is_no_story_to_ask_about(data, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_plain(data, "s.txt")
