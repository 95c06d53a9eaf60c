"""What the page is handed is what the modules say."""

import json
import re

import pytest

from datasets.clevr.families import load_families
from datasets.clevr.features import SCHEMA, num_features
from datasets.clevr.play import FILES, facts, following_words
from datasets.clevr.task import TASK, ClevrData
from datasets.clevr.templates import matchers
from datasets.clevr.vocabulary import ATTRIBUTES, TOKENS


def test_it_can_be_written_down():
    made = facts("onehot")
    assert json.loads(json.dumps(made)).keys() == made.keys()
    assert tuple(made["answers"]) == SCHEMA.answers
    assert len(made["families"]) == 90


@pytest.mark.parametrize("form", ["onehot", "rgb", "ordinal"])
def test_features_of_each_form(form):
    tables = facts(form)["features"]
    assert [len(table) for table in tables] == [
        len(values) for values in ATTRIBUTES.values()
    ]
    # The place comes behind them.
    width = sum(len(table[0]) for table in tables) + 3
    assert width == num_features(form)
    assert TASK.page(ClevrData(features=form)).facts is facts(form)


def test_patterns_are_those_that_read_questions_back():
    patterns = facts("onehot")["patterns"]
    assert len(patterns) == len(matchers())
    for found, matcher in zip(patterns, matchers(), strict=True):
        # JavaScript names a group in another way, and has no other of
        # Python's own signs.
        assert not re.search(r"\(\?P|\\[AZ]|\(\?[aiLmsux]", found["pattern"])
        back = found["pattern"].replace("(?<", "(?P<")
        assert re.compile(back) == matcher.pattern
        assert found["family"] == matcher.family.index


def test_phrasings_are_those_of_the_families():
    def text(phrase):
        return "".join(
            part
            if isinstance(part, str)
            else f"[{text(part)}]"
            if isinstance(part, list)
            else f"{{{part['step']}{part['form']}}}"
            for part in phrase
        )

    for made, family in zip(
        facts("onehot")["families"], load_families(), strict=True
    ):
        assert tuple(map(text, made["phrasings"])) == family.phrasings
        assert len(made["nodes"]) == len(family.nodes)


def test_words_that_follow():
    follow = following_words()
    assert follow["how"] == ["many", "big"]
    assert set(follow["left of"]) == {"the", "it"}
    assert set(follow[""]) <= set(TOKENS)
    # Each word follows some others: all can be reached.
    reached = {word for words in follow.values() for word in words}
    assert reached == set(TOKENS[2:])
    assert follow == following_words()


def test_the_page_s_files():
    names = {path.name for path in FILES.iterdir()}
    assert {"index.html", "style.css", "main.js"} <= names


def test_pictures_have_no_page():
    with pytest.raises(ValueError, match="CLEVR has no page to play with"):
        TASK.page(ClevrData(objects="maps"))
