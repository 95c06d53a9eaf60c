"""Phrasings: from a filled family to its text, and from text back to programs.

Both directions read the same phrase, so that they cannot drift apart.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from datasets.clevr.families import (
    Combination,
    Family,
    build_program,
    load_families,
)
from datasets.clevr.vocabulary import ATTRIBUTES, tokenize

#: Attribute value → the words for it. None is an object of any shape.
SYNONYMS: dict[str | None, tuple[str, ...]] = {
    "large": ("large", "big"),
    "small": ("small", "tiny"),
    "rubber": ("rubber", "matte"),
    "metal": ("metal", "metallic", "shiny"),
    "cube": ("cube", "block"),
    "sphere": ("sphere", "ball"),
    "cylinder": ("cylinder",),
    None: ("thing", "object"),
}
RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("left of", "to the left of", "on the left side of"),
    "right": ("right of", "to the right of", "on the right side of"),
    "behind": ("behind",),
    "front": ("in front of",),
}
_PART = re.compile(r"\{(\w)(s|\.relation)?\}|(\[)|(\])|([^{}\[\]]+)")


@dataclass(frozen=True)
class Reference:
    """A place in a phrase that a filled slot fills.

    Attributes:
        step: The step that it speaks of.
        form: ``""`` for its objects, ``"s"`` for their plural,
            ``".relation"`` for its relation.
    """

    step: str
    form: str


#: A phrase: literal text, references, and optional phrases as nested tuples.
Phrase = tuple[Any, ...]


def parse_phrase(text: str) -> Phrase:
    """Read a phrasing of families.yaml.

    Raises:
        ValueError: If brackets or braces do not match.
    """
    stack: list[list[Any]] = [[]]
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise ValueError(f"phrasing {text!r} is not readable from {at} on")
        step, form, opens, closes, words = match.groups()
        if step:
            stack[-1].append(Reference(step, form or ""))
        elif opens:
            stack.append([])
        elif closes:
            inner = stack.pop()
            if not stack:
                raise ValueError(f"phrasing {text!r} has an unmatched ']'")
            stack[-1].append(tuple(inner))
        else:
            stack[-1].append(words)
        at = match.end()
    if len(stack) != 1:
        raise ValueError(f"phrasing {text!r} has an unmatched '['")
    return tuple(stack[0])


@lru_cache(maxsize=256)
def _phrases(family: Family) -> list[tuple[Phrase, Phrase]]:
    # Each phrasing as it stands, and without "other".
    return [
        (parse_phrase(text), parse_phrase(text.replace("other ", "")))
        for text in family.phrasings
    ]


def _contradict(one: Combination, other: Combination) -> bool:
    return any(
        a is not None and b is not None and a != b
        for a, b in zip(one, other, strict=True)
    )


def render(
    family: Family,
    filters: Mapping[str, Combination],
    directions: Mapping[str, str],
    random: Callable[[], float],
) -> str:
    """Put a filled family into words.

    Args:
        family: The family.
        filters: Step → what its filter names.
        directions: Step → the direction of its relation.
        random: Gives uniform numbers in [0, 1): the phrasing, optional words
            and synonyms are drawn with it.

    Returns:
        One sentence, as in the released files.
    """
    phrases = _phrases(family)
    pair = phrases[int(random() * len(phrases))]
    bare = (
        "A" in filters
        and "B" in filters
        and _contradict(filters["A"], filters["B"])
    )
    words: list[str] = []

    def choose(options: tuple[str, ...]) -> str:
        if len(options) == 1:
            return options[0]
        return options[int(random() * len(options))]

    def put(phrase: Phrase) -> None:
        for part in phrase:
            if type(part) is str:
                words.append(part)
            elif type(part) is tuple:
                if random() < 0.5:
                    put(part)
            elif part.form == ".relation":
                words.append(choose(RELATIONS[directions[part.step]]))
            else:
                size, color, material, shape = filters.get(
                    part.step, (None, None, None, None)
                )
                if size is not None:
                    words.append(choose(SYNONYMS[size]) + " ")
                if color is not None:
                    words.append(color + " ")
                if material is not None:
                    words.append(choose(SYNONYMS[material]) + " ")
                words.append(choose(SYNONYMS[shape]))
                if part.form == "s":
                    words.append("s")

    put(pair[bare])
    text = " ".join("".join(words).split())
    if " a o" in text:
        text = text.replace(" a other ", " another ")
        text = text.replace(" a object", " an object")
    return text[0].upper() + text[1:]


def _one_of(name: str, options: Iterable[str]) -> str:
    return f"(?P<{name}>{'|'.join(options)})"


def _pattern(phrase: Phrase, attributes: Mapping[str, set[str]]) -> str:
    """A regular expression over tokens joined and followed by a space."""
    out = ""
    for part in phrase:
        if isinstance(part, str):
            for word in tokenize(part):
                # "another" is "a other"; either may have lost its "other".
                if word == "a":
                    out += "(?:an? |(?=another ))"
                elif word == "other":
                    out += "(?:(?:an)?other )?"
                else:
                    out += re.escape(word) + " "
        elif isinstance(part, tuple):
            out += f"(?:{_pattern(part, attributes)})?"
        elif part.form == ".relation":
            words = [w for forms in RELATIONS.values() for w in forms]
            out += _one_of(f"{part.step}_relation", words) + " "
        else:
            named = attributes.get(part.step, set())
            for name in ("size", "color", "material"):
                if name in named:
                    values = [
                        word
                        for value in ATTRIBUTES[name]
                        for word in SYNONYMS.get(value, (value,))
                    ]
                    out += f"(?:{_one_of(f'{part.step}_{name}', values)} )?"
            nouns = list(SYNONYMS[None])
            if "shape" in named:
                nouns += [w for s in ATTRIBUTES["shape"] for w in SYNONYMS[s]]
            out += _one_of(f"{part.step}_shape", nouns) + f"{part.form} "
    return out


#: A word or a relation's words → what they mean; None is any shape.
MEANING: dict[str, str | None] = {
    **{word: value for value, words in SYNONYMS.items() for word in words},
    **{word: value for value, words in RELATIONS.items() for word in words},
    **{color: color for color in ATTRIBUTES["color"]},
}


@dataclass(frozen=True)
class Matcher:
    """What reads one phrasing of a family.

    Attributes:
        family: The family.
        pattern: Matches tokens, each followed by a space; its groups are
            named by step and attribute, as ``A_color``, or ``A_relation``.
        steps: Step → function of the steps that filter.
    """

    family: Family
    pattern: re.Pattern[str]
    steps: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def matchers() -> list[Matcher]:
    """What reads each phrasing of each family."""
    out = []
    names = list(ATTRIBUTES)
    for family in load_families():
        attributes, functions = {}, {}
        for node in family.nodes:
            if "filter" not in node.function:
                continue
            only = node.function.partition("filter_")[2]
            attributes[node.step] = (
                {only}
                if only
                else {n for k, n in enumerate(names) if k not in node.unnamed}
            )
            functions[node.step] = node.function
        for text in family.phrasings:
            pattern = _pattern(parse_phrase(text), attributes)
            out.append(Matcher(family, re.compile(pattern), functions))
    return out


def parse(text: str) -> list[tuple[Family, list[dict[str, Any]]]]:
    """Read a generated question back by the templates.

    Args:
        text: A question.

    Returns:
        Every distinct (family, program) that some phrasing gives the text
        for. None: the text is in no phrasing. More than one: it is ambiguous.
    """
    line = "".join(f"{token} " for token in tokenize(text))
    found: dict[str, tuple[Family, list[dict[str, Any]]]] = {}
    for matcher in matchers():
        match = matcher.pattern.fullmatch(line)
        if match is None:
            continue
        groups = match.groupdict()
        filters: dict[str, Combination] = {}
        for step, function in matcher.steps.items():
            size, color, material, shape = (
                MEANING.get(groups.get(f"{step}_{name}") or "")
                for name in ATTRIBUTES
            )
            filters[step] = (size, color, material, shape)
            if function.startswith("filter_") and not any(filters[step]):
                break
        else:
            directions = {
                name[0]: str(MEANING[words])
                for name, words in groups.items()
                if name.endswith("_relation") and words
            }
            program = build_program(matcher.family, filters, directions)
            found[repr((matcher.family.index, program))] = (
                matcher.family,
                program,
            )
    return list(found.values())


class Readback(NamedTuple):
    """How well texts tell their programs; see :func:`read_back`.

    Attributes:
        total: How many questions there were.
        unread: Those whose own family and program are not among what their
            text parses to.
        several_families: Those whose text two families give, for one program.
        several_programs: Those whose text has two programs or more.
    """

    total: int
    unread: int
    several_families: int
    several_programs: int


def read_back(questions: Iterable[Mapping[str, Any]]) -> Readback:
    """Parse generated questions and compare with their programs.

    Args:
        questions: Questions of the released form, of this generator.
    """
    total = unread = families = programs = 0
    for question in questions:
        found = [
            (f.index, program) for f, program in parse(question["question"])
        ]
        own = (question["question_family_index"], question["program"])
        total += 1
        unread += own not in found
        if any(program != found[0][1] for _, program in found):
            programs += 1
        elif len(found) > 1:
            families += 1
    return Readback(total, unread, families, programs)
