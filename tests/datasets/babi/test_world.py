import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.babi.vocabulary import ANSWERS, TOKENS
from datasets.babi.world import GET, GO, make_stories, make_story


def words(tokens):
    return [TOKENS[token] for token in tokens]


def kind(told):
    verb = " ".join(told[1:3])
    if any(verb == v or told[1] == v for v in GO):
        return "go"
    return "get" if any(verb == v or told[1] == v for v in GET) else "drop"


@settings(deadline=None, max_examples=40)
@given(st.integers())
def test_the_world_is_told_truly(seed):
    """A second look at task 3, from its sentences and supports alone."""
    story = make_story(3, random.Random(seed))
    told = [words(tokens) for tokens in story.sentences]
    assert len(story.questions) == 5
    for question in story.questions:
        assert question.after % 2 == 0
        asked = words(question.tokens)
        thing, room = asked[3], asked[6]
        last, now, before = question.support
        # The last sentence about the thing, of the last five.
        about = [i for i in range(question.after) if thing in told[i]]
        assert last == about[-1]
        assert question.after - last <= 5
        holder = told[last][0]
        got = max(i for i in about if kind(told[i]) == "get")
        end = last if kind(told[last]) == "drop" else question.after
        way = [
            (i, told[i][-1])
            for i in range(got + 1, end)
            if told[i][0] == holder and kind(told[i]) == "go"
        ]
        at = [i for i, _ in way].index(now)
        assert way[at][1] == room
        assert room not in [name for _, name in way[at + 1 :]]
        assert way[at - 1] == (before, ANSWERS[question.answer])
        assert at > 0


@settings(deadline=None, max_examples=20)
@given(st.integers())
def test_nobody_does_what_cannot_be(seed):
    holder, room = {}, {}
    for tokens in make_story(3, random.Random(seed)).sentences:
        told = words(tokens)
        person, what = told[0], kind(told)
        if what == "go":
            assert room.get(person) != told[-1]
            room[person] = told[-1]
            continue
        thing = told[-2 if told[-1] == "there" else -1]
        where = "at", thing
        if what == "get":
            assert thing not in holder
            # Where it lies, if both are known.
            known = room.get(where), room.get(person)
            assert None in known or known[0] == known[1]
            holder[thing] = person
        else:
            assert holder.pop(thing) == person
            if person in room:
                room[where] = room[person]
            else:
                room.pop(where, None)


def test_task_1_by_hand():
    for story in make_stories(1, 50, 3, "test"):
        where, seen = {}, defaultdict(int)
        for i, tokens in enumerate(story.sentences):
            told = words(tokens)
            where[told[0]], seen[told[0]] = told[-1], i
            for question in story.questions:
                if question.after == i + 1:
                    person = words(question.tokens)[-1]
                    assert ANSWERS[question.answer] == where[person]
                    assert question.support == [seen[person]]


def test_the_same_seed_and_another_split():
    a, b = (make_stories(3, 25, 0, "train") for _ in range(2))
    assert a == b
    assert a != make_stories(3, 25, 0, "val")
    assert a != make_stories(3, 25, 1, "train")
    assert a[:2] == make_stories(3, 10, 0, "train")


def test_a_task_that_is_not_made():
    with pytest.raises(ValueError, match="`task` is 2, expected one of those"):
        make_story(2, random.Random(0))
