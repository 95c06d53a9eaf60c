"""Stories as they stand in bAbI's text files.

A line is a number and a sentence, or a question with its answer and the
numbers of the lines that decide it, after tabs; the number 1 begins a story::

    1 John travelled to the hallway.
    2 Mary journeyed to the bathroom.
    3 Where is John?	hallway	1
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from datasets.babi.vocabulary import (
    ANSWERS,
    encode_answer,
    encode_tokens,
    sentence,
    tokenize,
)
from datasets.messages import short

_LINE = re.compile(r"(\d{1,6}) (.*\S)\s*")


@dataclass(frozen=True)
class Question:
    """A question about the sentences before it.

    Attributes:
        tokens: Its words.
        answer: Its answer.
        support: Numbers of the sentences that decide it, from 0.
        after: Sentences that stand before it.
    """

    tokens: list[int]
    answer: int
    support: list[int]
    after: int


@dataclass
class Story:
    """A story: sentences, as words, and what is asked after some of them."""

    sentences: list[list[int]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def decode(data: bytes, name: str) -> list[str]:
    """The lines of a file.

    Args:
        data: What it holds.
        name: Its name, for errors.

    Raises:
        ValueError: If it is empty, or not UTF-8; it says in which line.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name}, line {line}: byte {data[error.start]:#04x} is not UTF-8, "
            f"expected text in that encoding"
        ) from None
    lines = text.removeprefix("\ufeff").splitlines()
    if not any(line.strip() for line in lines):
        raise ValueError(f"{name} is empty, expected stories")
    return lines


def read_stories(lines: Iterable[str], name: str) -> Iterator[Story]:
    """Read the stories of a file.

    Args:
        lines: Its lines.
        name: Its name, for errors.

    Raises:
        ValueError: For a line that is none of a story; it names file, line,
            what came and what was expected.
    """
    reader = _Reader(name)
    for line in lines:
        done = reader.line(line)
        if done is not None:
            yield done
    if reader.number:
        yield reader.end()


class _Reader:
    """Reads lines of a file, and gives a story where the next one begins."""

    def __init__(self, name: str) -> None:
        self.name, self.at, self.number = name, 0, 0
        self.begin()

    def begin(self) -> None:
        self.story = Story()
        # Number of a line in the story → of the sentence that it is.
        self.place: dict[int, int] = {}
        self.number = 0

    def wrong(self, found: str, expected: str) -> ValueError:
        return ValueError(
            f"{self.name}, line {self.at}: {found}, expected {expected}"
        )

    def end(self) -> Story:
        story = self.story
        if not story.questions:
            raise self.wrong(
                "the story ends without a question", "at least one"
            )
        self.begin()
        return story

    def line(self, text: str) -> Story | None:
        """Read a line; the story before it, if it begins another."""
        done = None
        match = _LINE.fullmatch(text)
        if match and int(match[1]) == 1 and self.number:
            done = self.end()
        self.at += 1
        if not match:
            raise self.wrong(
                f"{short(text)} does not begin with a number and a blank",
                "as in '1 Mary got the milk.'",
            )
        number = int(match[1])
        if number != self.number + 1:
            raise self.wrong(
                f"the number is {number}",
                f"{self.number + 1}"
                + (", or 1 for a new story" if self.number else ""),
            )
        self.number = number
        fields = match[2].split("\t")
        if len(fields) == 1:
            if fields[0].endswith("?"):
                raise self.wrong(
                    f"the question {short(fields[0])} has no answer",
                    "it and the lines that decide it, after tabs",
                )
            self.place[number] = len(self.story.sentences)
            self.story.sentences.append(self.tokens(fields[0], "."))
        else:
            self.story.questions.append(self.question(fields))
        return done

    def tokens(self, text: str, mark: str) -> list[int]:
        text = text.rstrip()
        if not text.endswith(mark):
            raise self.wrong(f"{short(text)}", f"a sentence ending in {mark!r}")
        try:
            words = _encoded(text)
        except ValueError as error:
            raise ValueError(f"{self.name}, line {self.at}: {error}") from None
        if not words:
            raise self.wrong(f"{short(text)} has no words", "a sentence")
        return list(words)

    def question(self, fields: list[str]) -> Question:
        if not self.story.sentences:
            raise self.wrong(
                "the question comes before any sentence", "a story first"
            )
        if len(fields) != 3 or not fields[1]:
            raise self.wrong(
                f"the question has {len(fields)} parts between tabs, one of "
                f"them may be empty",
                "three: the question, its answer, lines that decide it",
            )
        try:
            answer = encode_answer(fields[1].strip())
        except ValueError as error:
            raise ValueError(f"{self.name}, line {self.at}: {error}") from None
        support = []
        for word in fields[2].split():
            if not word.isdecimal() or int(word) not in self.place:
                raise self.wrong(
                    f"the supporting line {word!r} is no sentence of the story "
                    f"before",
                    "numbers of such lines",
                )
            support.append(self.place[int(word)])
        return Question(
            self.tokens(fields[0], "?"),
            answer,
            support,
            len(self.story.sentences),
        )


# The release says few sentences, each of them often.
@lru_cache(1 << 16)
def _encoded(text: str) -> tuple[int, ...]:
    return tuple(encode_tokens(tokenize(text)))


def write_story(story: Story, task: int, blank: bool = True) -> str:
    """A story as it stands in a file.

    Args:
        story: The story.
        task: Its task, from 0.
        blank: Whether a blank stands after a question's mark, as in most
            files.
    """
    lines, number = [], 0
    asked = iter(story.questions)
    question = next(asked, None)
    places: list[int] = []
    for count in range(len(story.sentences) + 1):
        while question is not None and question.after == count:
            number += 1
            support = " ".join(str(places[i]) for i in question.support)
            text = sentence(question.tokens, task) + " " * blank
            answer = ANSWERS[question.answer]
            lines.append(f"{number} {text}\t{answer}\t{support}")
            question = next(asked, None)
        if count < len(story.sentences):
            number += 1
            places.append(number)
            lines.append(f"{number} {sentence(story.sentences[count])}")
    return "\n".join(lines) + "\n"


def read_plain(data: bytes, name: str) -> list[list[list[int]]]:
    """Read stories that may be written without numbers, to be asked about.

    A line is a sentence; an empty line, or the number 1, begins another
    story. What is asked in a file of the release is left out.

    Args:
        data: What the file holds.
        name: Its name, for errors.

    Returns:
        The words of each sentence of each story.

    Raises:
        ValueError: If it is empty, not UTF-8, or has a word that is not known;
            it names file and line.
    """
    stories: list[list[list[int]]] = [[]]
    for at, line in enumerate(decode(data, name), 1):
        match = re.match(r"\s*(?:(\d+)\s)?\s*(.*)", line)
        assert match is not None
        number, text = match[1], match[2].split("\t")
        if stories[-1] and (not text[0] or number == "1"):
            stories.append([])
        words = tokenize(text[0])
        if len(text) > 1 or not words:
            continue
        if text[0].rstrip().endswith("?"):
            raise ValueError(
                f"{name}, line {at}: {short(text[0])} is a question, expected "
                f"a sentence of the story"
            )
        try:
            stories[-1].append(encode_tokens(words))
        except ValueError as error:
            raise ValueError(f"{name}, line {at}: {error}") from None
    stories = [story for story in stories if story]
    if not stories:
        raise ValueError(f"{name} has no sentence, expected a story")
    return stories
