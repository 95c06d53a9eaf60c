"""Stories of people who walk, and get and drop things, by the files' rules.

Of tasks 1 and 3. Task 3's rules, read off its released files and checked
against them (:mod:`datasets.babi.check`):

- Four people, six rooms and three things, each somewhere at random. A step
  draws a person, one of get, drop and go, and for the last a room, until the
  person can: get a thing that lies in the same room and is in no one's hands,
  drop one held, or go to a room other than that.
- After every second sentence a question follows if it can: about a thing that
  was got or dropped within the last five sentences and was carried through at
  least two rooms since it was last got. It is asked where it was before one of
  these rooms; a room that it came to again later is not asked for. What
  decides: that get or drop, coming to the room, and coming to the room before.
- Five questions end a story.

In task 1 all steps are walks, two before each of five questions, which ask
where somebody is who walked within the last five sentences.
"""

from dataclasses import dataclass, field
from random import Random

from datasets.babi.stories import Question, Story
from datasets.babi.vocabulary import (
    ROOMS,
    THINGS,
    encode_answer,
    encode_tokens,
)

PEOPLE = ("daniel", "john", "mary", "sandra")
GO = ("went", "went back", "moved", "journeyed", "travelled")
GET = ("got", "took", "grabbed", "picked up")
DROP = ("dropped", "discarded", "left", "put down")
#: Share of gets and drops that end in "there".
THERE = 0.2
QUESTIONS = 5
#: Sentences within which what is asked about must have happened.
RECENT = 5
#: Numbers of the tasks whose stories are made, from 1.
TASKS = (1, 3)


@dataclass
class _World:
    """Where everything is, and what was said of it."""

    rng: Random
    room: dict[str, str] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    # Of each thing the sentence of its last get or drop, and the rooms that it
    # was carried to since its last get, each with its sentence.
    moved: dict[str, int] = field(default_factory=dict)
    carried: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    story: Story = field(default_factory=Story)

    def __post_init__(self) -> None:
        for name in (*PEOPLE, *THINGS):
            self.room[name] = self.rng.choice(ROOMS)

    def say(self, text: str) -> int:
        self.story.sentences.append(encode_tokens(text.split()))
        return len(self.story.sentences) - 1

    def ask(self, text: str, answer: str, support: list[int]) -> None:
        self.story.questions.append(
            Question(
                encode_tokens(text.split()),
                encode_answer(answer),
                support,
                len(self.story.sentences),
            )
        )

    def step(self, walks: bool) -> None:
        """Somebody does something; or walks."""
        actions = (self.go,) if walks else (self.go, self.get, self.drop)
        while True:
            person = self.rng.choice(PEOPLE)
            action = self.rng.choice(actions)
            if action(person):
                return

    def go(self, person: str) -> bool:
        room = self.rng.choice(ROOMS)
        if room == self.room[person]:
            return False
        at = self.say(f"{person} {self.rng.choice(GO)} to the {room}")
        self.room[person], self.seen[person] = room, at
        for thing, holder in self.holder.items():
            if holder == person:
                self.room[thing] = room
                self.carried[thing].append((room, at))
        return True

    def get(self, person: str) -> bool:
        here = [
            thing
            for thing in THINGS
            if thing not in self.holder
            and self.room[thing] == self.room[person]
        ]
        if not here:
            return False
        thing = self.rng.choice(here)
        self.holder[thing], self.carried[thing] = person, []
        self.moved[thing] = self._said(person, GET, thing)
        return True

    def drop(self, person: str) -> bool:
        held = [t for t, holder in self.holder.items() if holder == person]
        if not held:
            return False
        thing = self.rng.choice(held)
        del self.holder[thing]
        self.moved[thing] = self._said(person, DROP, thing)
        return True

    def _said(self, person: str, verbs: tuple[str, ...], thing: str) -> int:
        there = " there" if self.rng.random() < THERE else ""
        verb = self.rng.choice(verbs)
        return self.say(f"{person} {verb} the {thing}{there}")

    def ask_before(self) -> None:
        """Ask where a thing was before a room, if that can be asked."""
        now = len(self.story.sentences)
        things = [
            thing
            for thing, at in self.moved.items()
            if now - at <= RECENT and len(self.carried[thing]) > 1
        ]
        if not things:
            return
        thing = self.rng.choice(things)
        way = self.carried[thing]
        rooms = [room for room, _ in way]
        after = [
            i for i in range(1, len(way)) if rooms[i] not in rooms[i + 1 :]
        ]
        if after:
            i = self.rng.choice(after)
            self.ask(
                f"where was the {thing} before the {rooms[i]}",
                rooms[i - 1],
                [self.moved[thing], way[i][1], way[i - 1][1]],
            )

    def ask_person(self) -> None:
        """Ask where somebody is."""
        now = len(self.story.sentences)
        people = [p for p, at in self.seen.items() if now - at <= RECENT]
        person = self.rng.choice(people)
        self.ask(f"where is {person}", self.room[person], [self.seen[person]])


def make_story(task: int, rng: Random) -> Story:
    """Make a story.

    Args:
        task: Number of the task, of :data:`TASKS`.
        rng: Source of chance.

    Raises:
        ValueError: For another task.
    """
    _check_task(task)
    world = _World(rng)
    while len(world.story.questions) < QUESTIONS:
        for _ in range(2):
            world.step(walks=task == 1)
        if task == 1:
            world.ask_person()
        else:
            world.ask_before()
    return world.story


def make_stories(
    task: int, questions: int, seed: int, split: str
) -> list[Story]:
    """Make stories with so many questions, the same for the same seed.

    Args:
        task: Number of the task, of :data:`TASKS`.
        questions: How many questions, a multiple of five.
        seed: Seed of all random choices.
        split: Name of the split: each has stories of its own.

    Raises:
        ValueError: For another task, or a number that is no such multiple.
    """
    _check_task(task)
    if questions < 1 or questions % QUESTIONS:
        raise ValueError(
            f"`{split}` is {questions}, expected a multiple of {QUESTIONS}, "
            f"the questions of a story, and at least one"
        )
    return [
        make_story(task, Random(f"{seed}/{task}/{split}/{number}"))
        for number in range(questions // QUESTIONS)
    ]


def _check_task(task: int) -> None:
    if task not in TASKS:
        raise ValueError(
            f"`task` is {task}, expected one of those whose stories are made, "
            f"{', '.join(map(str, TASKS))}"
        )
