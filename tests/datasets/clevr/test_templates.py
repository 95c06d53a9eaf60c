import re
from random import Random

import pytest

from datasets.clevr.families import load_families
from datasets.clevr.layout import questions_path, read_questions
from datasets.clevr.templates import parse, parse_phrase, read_back, render
from datasets.clevr.vocabulary import TOKENS, tokenize

FAMILIES = load_families()
NOTHING = (None, None, None, None)


def test_text_parses_back_to_its_program(questions):
    found = read_back(questions)
    print(f"\n{found}")
    assert found.total == len(questions)
    assert found.unread == 0
    # "How many other things have the same size as the cube?" comes from
    # family 40, and from 48 with nothing named: one program all the same.
    assert found.several_families < 0.1 * len(questions)
    assert found.several_programs == 0


def test_reading_back_notices_a_wrong_program(questions):
    other = questions[0]
    wrong = {**other, "program": questions[1]["program"]}
    lost = {**other, "question": "What is it?"}
    assert read_back([other, wrong, lost])[:2] == (3, 2)


def test_all_words_are_used(questions):
    used = {w for q in questions for w in tokenize(q["question"])}
    assert used == set(TOKENS[2:])


def test_a_text_outside_the_templates_is_none():
    assert parse("What do you see?") == []
    assert parse("How many pink cubes are there?") == []


def test_what_is_asked_may_not_be_named():
    assert parse("What color is the large cube?")
    assert not parse("What color is the large red cube?")


def test_real_questions_that_the_templates_know(sample):
    # Own wording: not every real question is among them, but what is read
    # must be read rightly. Chains of `intersect` may come in either order.
    known = 0
    for question in read_questions(questions_path(sample, "train")):
        if 31 <= question["question_family_index"] <= 35:
            continue
        for family, program in parse(question["question"]):
            known += 1
            if family.index == question["question_family_index"]:
                given = sorted(
                    (n["function"], n["value_inputs"])
                    for n in question["program"]
                )
                assert given == sorted(
                    (n["function"], n["value_inputs"]) for n in program
                )
    assert known >= 15


def texts(index, filters, directions=None, count=200):
    rng = Random(index)
    return {
        render(FAMILIES[index], filters, directions or {}, rng.random)
        for _ in range(count)
    }


def test_synonyms_and_optional_words():
    filters = {"A": ("small", None, "metal", "cube"), "B": NOTHING}
    made = texts(74, filters, {"B": "left"}, count=4000)
    assert "What size is the thing left of the small metal cube?" in made
    together = " ".join(made)
    for words in (
        "tiny shiny block",
        "small metallic cube",
        "object",
        "that is to the left of",
        "on the left side of",
        "There is an object",
        "There is a thing",
    ):
        assert words in together
    assert " a object" not in together


def test_other_is_dropped_where_attributes_contradict():
    one = ("large", None, None, "cube")
    agree = texts(49, {"A": one, "B": ("large", None, None, None)})
    assert all(" other " in text for text in agree)
    contradict = texts(49, {"A": one, "B": (None, None, None, "sphere")})
    assert not any("other" in text for text in contradict)
    one = (None, "red", None, "cube")
    agree = texts(45, {"A": one, "B": ("small", None, None, None)})
    contradict = texts(45, {"A": one, "B": ("small", None, None, "sphere")})
    assert any(text.startswith("Is there another ") for text in agree)
    assert any(text.startswith("Is there a ") for text in contradict)
    assert not any("other" in text for text in contradict)
    assert not re.search(r"\ba other", " ".join(agree))


@pytest.mark.parametrize("text", ["a [b", "a b]", "a {b", "{AB}"])
def test_unreadable_phrasings_are_refused(text):
    with pytest.raises(ValueError, match="phrasing"):
        parse_phrase(text)
