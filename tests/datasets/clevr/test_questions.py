from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.families import load_families
from datasets.clevr.layout import (
    check_question,
    questions_path,
    read_questions,
    read_scenes,
    scenes_path,
)
from datasets.clevr.masks import SceneMasks
from datasets.clevr.programs import IllPosedError, execute
from datasets.clevr.questions import (
    QuestionGenerator,
    allowed_answers,
    possible_answers,
)
from datasets.clevr.scenes import generate_scene
from datasets.clevr.vocabulary import (
    ANSWERS,
    ATTRIBUTES,
    CATEGORIES,
    encode_tokens,
    tokenize,
)


def outputs(program, scene):
    """What each node gives, each run by itself: sets as sets."""
    out = []
    objects = scene["objects"]
    for node in program:
        args = [out[i] for i in node["inputs"]]
        name, values = node["function"], node["value_inputs"]
        if name == "scene":
            value = frozenset(range(len(objects)))
        elif name == "unique":
            value = args[0]
        elif name == "relate":
            (i,) = args[0]
            value = frozenset(scene["relationships"][values[0]][i])
        elif name.startswith("filter"):
            value = frozenset(
                i for i in args[0] if objects[i][name[7:]] == values[0]
            )
        elif name.startswith("same"):
            (i,) = args[0]
            value = frozenset(
                j
                for j, o in enumerate(objects)
                if j != i and o[name[5:]] == objects[i][name[5:]]
            )
        elif name == "union":
            value = args[0] | args[1]
        elif name == "intersect":
            value = args[0] & args[1]
        elif name == "count":
            value = len(args[0])
        else:
            value = None
        out.append(value)
    return out


def ancestors(program, i):
    """Filters and uniques between a node and what gave its set."""
    named = set()
    while program[i]["function"].split("_")[0] in ("filter", "unique"):
        if program[i]["function"].startswith("filter"):
            named.add(program[i]["function"][7:])
        (i,) = program[i]["inputs"]
    return named, i


def check(question, scene):
    check_question(question)
    program = question["program"]
    assert execute(program, scene) == question["answer"]
    assert question["image_filename"] == scene["image_filename"]
    assert question["split"] == scene["split"]
    text = question["question"]
    encode_tokens(tokenize(text))
    assert text[0].isupper()
    assert text.endswith("?")
    assert "  " not in text
    last = program[-1]
    verb, _, attribute = last["function"].partition("_")
    given = outputs(program, scene)
    index = question["question_family_index"]
    # −a: what is asked is never named.
    if verb == "query":
        named, source = ancestors(program, last["inputs"][0])
        assert attribute not in named
        if program[source]["function"].startswith("same"):
            same = program[source]["function"][5:]
            assert same not in named
            assert (
                same not in ancestors(program, program[source]["inputs"][0])[0]
            )
    elif verb == "equal" and attribute in ATTRIBUTES:
        ends = [program[i]["inputs"][0] for i in last["inputs"]]
        for end in ends:
            assert attribute not in ancestors(program, end)[0]
        # ≠: two objects.
        assert given[ends[0]] != given[ends[1]]
    elif 36 <= index < 52:
        name = ("size", "color", "material", "shape")[index % 4]
        (same,) = (n for n in program if n["function"].startswith("same"))
        assert same["function"] == f"same_{name}"
        assert name not in ancestors(program, last["inputs"][0])[0]
        assert name not in ancestors(program, same["inputs"][0])[0]
    if index in (0, 1, 2):
        assert given[last["inputs"][0]] != given[last["inputs"][1]]
    if index in (0, 1, 2, 6, 7, 8):
        ends = [program[i]["inputs"][0] for i in last["inputs"]]
        assert given[ends[0]] != given[ends[1]]
    if index in (64, 65, 66, 68, 69):
        (union,) = (n for n in program if n["function"] == "union")
        one, other = union["inputs"]
        assert given[one] != given[other]
        for end in (one, other):
            named, _ = ancestors(program, end)
            assert named
            if index > 64:
                asked = program[last["inputs"][0]]["function"][7:]
                assert asked not in named
    if 31 <= index <= 35:
        relates = [
            i for i, n in enumerate(program) if n["function"] == "relate"
        ]
        assert len(relates) == 2
        if index > 31:
            one, other = (given[program[i]["inputs"][0]] for i in relates)
            assert one != other
        for i in relates:
            assert changes(program, i, scene, question["answer"])


def changes(program, relate, scene, answer):
    """Whether the whole scene in a relation's stead changes the answer."""
    other = [dict(n) for n in program]
    other[relate] = {"function": "scene", "inputs": [], "value_inputs": []}
    try:
        return execute(other, scene) != answer
    except IllPosedError:
        return True


def test_every_question_keeps_every_rule(scenes, questions):
    for question in questions:
        check(question, scenes[question["image_index"]])
    assert [q["question_index"] for q in questions] == list(
        range(len(questions))
    )


@given(st.integers(0, 10**9), st.sampled_from([None, "A", "B"]))
@settings(max_examples=15, deadline=None)
def test_rules_hold_for_any_seed(seed, condition):
    rng = Random(seed)
    some = [generate_scene(rng, i, condition=condition) for i in range(3)]
    made = QuestionGenerator(questions_per_scene=40).generate(some, seed)
    assert made == QuestionGenerator(questions_per_scene=40).generate(
        some, seed
    )
    for question in made:
        check(question, some[question["image_index"]])


def test_crowded_scenes_are_asked_about():
    rng = Random(7)
    some = [
        generate_scene(rng, i, min_objects=100, max_objects=100)
        for i in range(2)
    ]
    made = QuestionGenerator().generate(some, 3)
    assert len(made) == 20
    for question in made:
        check(question, some[question["image_index"]])


def test_a_scene_gets_ten_questions_of_ten_families(questions):
    families = defaultdict(list)
    for question in questions:
        families[question["image_index"]].append(
            question["question_family_index"]
        )
    assert len(families) == 250
    for used in families.values():
        assert len(used) == len(set(used)) == 10


def test_shares_are_the_released_ones(questions):
    # CLEVR.md: val split; families are used in turn, so that one block of
    # 250 scenes is enough.
    released = {
        "count": 23.6,
        "exist": 13.5,
        "compare numbers": 9.0,
        "query attribute": 35.8,
        "compare attribute": 18.1,
    }
    types = Counter(q["program"][-1]["function"] for q in questions)
    for category, share in released.items():
        found = sum(types[t] for t in CATEGORIES[category])
        assert 100 * found / len(questions) == pytest.approx(share, abs=1)
    families = Counter(q["question_family_index"] for q in questions)
    assert set(families) == set(range(90))


def test_no_answer_can_be_guessed_from_the_type(questions):
    # The most frequent answer of each type is right 41.8 % of the time.
    answers = defaultdict(Counter)
    for question in questions:
        answers[question["program"][-1]["function"]][question["answer"]] += 1
    right = sum(max(tally.values()) for tally in answers.values())
    assert 100 * right / len(questions) == pytest.approx(41.8, abs=2.5)
    shares = Counter(q["answer"] for q in questions)
    assert set(shares) <= set(ANSWERS)
    released = {"no": 20.7, "yes": 19.7, "1": 8.0, "0": 6.8, "2": 4.5, "3": 2.4}
    for answer, share in released.items():
        found = 100 * shares[answer] / len(questions)
        assert found == pytest.approx(share, abs=1.2)


def test_lengths(questions):
    lengths = [len(tokenize(q["question"])) for q in questions]
    assert 18 <= sum(lengths) / len(lengths) <= 20
    sizes = [len(q["program"]) for q in questions]
    assert min(sizes) >= 2
    assert max(sizes) <= 25


def test_balance_rule():
    assert allowed_answers({"yes": 0, "no": 0}) == {"yes", "no"}
    assert allowed_answers({"yes": 1, "no": 0}) == {"no"}
    assert allowed_answers({"yes": 11, "no": 10}) == {"yes", "no"}
    assert allowed_answers({"yes": 12, "no": 10}) == {"no"}
    counts = {"0": 27, "1": 26, **{str(n): 0 for n in range(2, 11)}}
    assert allowed_answers(counts) == {str(n) for n in range(2, 11)}


def test_questions_are_balanced_as_they_come(questions):
    counts = {
        f.index: dict.fromkeys(possible_answers(f), 0) for f in load_families()
    }
    for question in questions:
        tally = counts[question["question_family_index"]]
        assert question["answer"] in allowed_answers(tally)
        tally[question["answer"]] += 1
    used = [sum(tally.values()) for tally in counts.values()]
    # Least used first, so all alike; of family 0 see families.yaml.
    assert used[0] == 1
    assert max(used[1:]) - min(used[1:]) <= 3


def test_blocks_are_balanced_each_by_itself(scenes):
    generator = QuestionGenerator()
    twice = generator.generate(scenes[:20] * 18, seed=2)
    second = [q for q in twice if q["question_index"] >= 2500]
    counts = Counter(q["question_family_index"] for q in second)
    assert counts[0] == 1


def test_relations_that_change_nothing_are_few(scenes):
    for scene in scenes[:30]:
        masks = SceneMasks(scene)
        for i in range(len(scene["objects"])):
            for kind in ("unique", "count", "set"):
                telling, trivial, few = masks.relations(
                    1 << i, kind, frozenset()
                )
                for direction, combination, result in telling + trivial:
                    alone = masks.find(combination, masks.everything)
                    related = masks.related[direction][1 << i]
                    assert result == alone & related
                    assert kind == "count" or result
                    assert kind != "unique" or result.bit_count() == 1
                assert all(
                    r != masks.find(c, masks.everything) for _, c, r in telling
                )
                # At most a tenth, the nearest whole number of it.
                assert few <= (len(telling) + few) * 0.1 + 0.5


def test_filter_options_are_what_objects_bear(scenes):
    scene = scenes[0]
    masks = SceneMasks(scene)
    names = list(ATTRIBUTES)
    borne = {
        tuple(
            o[name] if bits >> k & 1 else None for k, name in enumerate(names)
        )
        for o in scene["objects"]
        for bits in range(16)
    }
    options, extra = masks.filters(masks.everything, "exist", frozenset())
    assert {o[1] for o in options} == borne
    assert extra == len(borne)
    single = {o[1] for o in options if o[2].bit_count() == 1}
    options, extra = masks.filters(masks.everything, "unique", frozenset())
    assert {o[1] for o in options} == single
    assert extra == 0
    options, extra = masks.filters(masks.everything, "set", frozenset([1]))
    assert {o[1] for o in options} == {
        c for c in borne if c[1] is None and any(c)
    }
    assert extra == len(single)


def test_families_can_be_chosen(scenes):
    groups = ("zero_hop", "one_hop", "comparison", "compare_integer")
    made = QuestionGenerator(groups).generate(scenes[:20], 0)
    families = load_families()
    assert len(made) == 200
    assert {families[q["question_family_index"]].group for q in made} == set(
        groups
    )


def test_seeds_differ(scenes):
    made = [QuestionGenerator().generate(scenes[:5], seed) for seed in (0, 1)]
    assert made[0] != made[1]


def test_keys_are_those_of_the_real_files(sample, questions):
    real = read_questions(questions_path(sample, "train"))[0]
    assert questions[0].keys() == real.keys()
    assert questions[0]["program"][0].keys() == real["program"][0].keys()


def test_real_scenes_are_asked_about(sample):
    real = read_scenes(scenes_path(sample, "train"))[:100]
    made = QuestionGenerator().generate(real, 0)
    assert len(made) == 1000
    for question in made:
        check(question, real[question["image_index"]])


@pytest.mark.parametrize(("families", "count"), [(None, 0), (["zero_hop"], 7)])
def test_bad_counts_are_refused(families, count):
    with pytest.raises(ValueError, match="`questions_per_scene`"):
        QuestionGenerator(families, count)
