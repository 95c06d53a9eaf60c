"""What a store says of itself: the task, its kinds of data, its words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from datasets.messages import short

#: Kinds of objects. A store may hold several of the same scenes.
OBJECTS = ("states", "images", "maps", "sentences")
#: Kinds of objects that are nodes, which edges and support can name.
NODES = ("states", "sentences")
QUESTIONS = ("words", "vector", "none")


@dataclass(frozen=True)
class Schema:
    """What a store holds, and what its integers mean.

    Entry i of a tuple of names is what the integer i stands for.

    Args:
        task: Name of the task.
        objects: Kinds of objects, of :data:`OBJECTS`.
        question: Form of the questions, of :data:`QUESTIONS`.
        answers: Names of the answers.
        question_types: Names of the question types.
        families: Names of finer groups of questions. (default: none, and the
            numbers of families are not bounded)
        tokens: Words; entry 0 is the padding. (default: none)
        attributes: Name and values of each column of ``scenes/x``, in order.
            (default: none, and ``x`` holds features, not indices)
        edges: Whether scenes have edges. (default: ``False``)
        support: Whether it is known which nodes decide an answer.
            (default: ``False``)

    Raises:
        ValueError: For an unknown kind, a name given twice, or settings that
            contradict each other.
    """

    task: str
    objects: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    question_types: tuple[str, ...]
    families: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    edges: bool = False
    support: bool = False

    def __post_init__(self) -> None:
        names = {
            "objects": self.objects,
            "answers": self.answers,
            "question_types": self.question_types,
            "families": self.families,
            "tokens": self.tokens,
            "attributes": tuple(name for name, _ in self.attributes),
            **{f"attributes[{name}]": v for name, v in self.attributes},
        }
        for key, values in names.items():
            if not isinstance(values, tuple) or not all(
                isinstance(value, str) for value in values
            ):
                raise _wrong(key, values, "a tuple of texts")
            if len(set(values)) < len(values):
                raise _wrong(key, values, "each name once")
        nodes = set(NODES) & set(self.objects)
        if not self.objects or set(self.objects) - set(OBJECTS):
            raise _wrong("objects", self.objects, f"some of {OBJECTS}")
        if len(nodes) > 1:
            raise _wrong("objects", self.objects, f"at most one of {NODES}")
        if self.question not in QUESTIONS:
            raise _wrong("question", self.question, f"one of {QUESTIONS}")
        if not self.tokens and {"words", "sentences"} & self.parts:
            raise _wrong("tokens", (), "words, with the padding first")
        if self.attributes and "states" not in self.objects:
            raise _wrong(
                "attributes", names["attributes"], "none but of states"
            )
        for key in ("edges", "support"):
            if getattr(self, key) and not nodes:
                raise _wrong(key, True, f"False without any of {NODES}")

    @property
    def parts(self) -> set[str]:
        """The parts of a store that this one has; see ``columns.COLUMNS``."""
        parts = {"all", self.question, *self.objects}
        parts |= {key for key in ("edges", "support") if getattr(self, key)}
        return parts | ({"nodes"} if parts & set(NODES) else set())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Schema":
        """Rebuild from :meth:`to_json`'s form.

        Raises:
            TypeError | ValueError: If ``data`` is of another form.
        """
        return cls(**{key: _tuples(value) for key, value in data.items()})

    def to_json(self) -> dict[str, Any]:
        """Return a form that JSON can hold."""
        return asdict(self)

    def difference(self, other: "Schema") -> str:
        """Say in words in what another schema differs; empty: in nothing."""
        return "; ".join(
            f"`{key}` is {short(value, 200)}, expected {short(expected, 200)}"
            for key, value in vars(other).items()
            if value != (expected := getattr(self, key))
        )


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _wrong(key: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"`{key}` is {short(value, 200)}, expected {expected}")
