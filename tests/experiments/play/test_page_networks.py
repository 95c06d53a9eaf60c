"""What the networks of the page compute is what PyTorch computes."""

import copy
from random import Random

import pytest
import torch

from datasets.clevr.programs import IllPosedError, execute
from datasets.clevr.questions import QuestionGenerator
from datasets.clevr.scenes import generate_scene
from datasets.clevr.templates import parse
from experiments.run.ask import reply
from tests.experiments.play.looking import (
    SET_SCENE,
    STATE,
    as_objects,
    as_scene,
    load_models,
    released,
)


@pytest.fixture(scope="module")
def models():
    return load_models()


@pytest.fixture
def page(loaded):
    return loaded


def test_scores_and_pairs_are_pytorch_s(page, models):
    """In float64, as the page computes; answers of float32 are as likely."""
    exact = [copy.deepcopy(model).double() for _, model in models]
    furthest = [0.0, 0.0]
    for _ in range(8):
        page.evaluate("() => { app.scene.redraw(); app.ask(); }")
        state = page.evaluate(STATE)
        scene = as_scene(state["objects"])
        for found, (planned, model), double in zip(
            state["replies"], models, exact, strict=True
        ):
            case = f"{planned.label}, {state['text']}, {state['objects']}"
            batch = planned.task.batch(scene, state["words"], planned.data)
            there = torch.tensor(found["scores"], dtype=torch.double)
            with torch.no_grad():
                scores = model(batch)[0]
                batch.x, batch.pos = batch.x.double(), batch.pos.double()
                scores64 = double(batch)[0]
            apart = float((there - scores64).abs().max())
            # Float32 rounds sums of thousands to a few ten-thousandths.
            furthest[1] = max(furthest[1], float((there - scores).abs().max()))
            furthest[0] = max(furthest[0], apart)
            assert apart < 1e-4, case
            likely = there.softmax(0), scores.double().softmax(0)
            assert float((likely[0] - likely[1]).abs().max()) < 1e-4, case
            pairs = reply(double, batch).pairs
            assert (pairs is None) == (found["pairs"] is None)
            if pairs is None:
                continue
            got = dict(
                zip(
                    map(tuple, found["pairs"]),
                    found["contributions"],
                    strict=True,
                )
            )
            edges = map(tuple, pairs.edge_index.t().tolist())
            expected = dict(
                zip(edges, pairs.contribution.tolist(), strict=True)
            )
            assert got == pytest.approx(expected, rel=1e-6, abs=1e-4), case
    print(f"largest difference of a score: {furthest}")


def readings(text, scene):
    """The true answers of a text by Python's templates and programs."""
    answers = set()
    for _, program in parse(text):
        try:
            answers.add(execute(program, scene))
        except IllPosedError:
            continue
    return answers


def test_the_true_answer_of_generated_questions(page):
    seed = Random().randrange(2**32)
    rng = Random(seed)
    scenes = [generate_scene(rng, index) for index in range(50)]
    questions = QuestionGenerator().generate(scenes, seed)
    assert len(questions) > 400
    asked = [
        [
            as_objects(scene),
            [
                q["question"]
                for q in questions
                if q["image_index"] == scene["image_index"]
            ],
        ]
        for scene in scenes
    ]
    found = page.evaluate(
        f"""(asked) => asked.flatMap(([objects, texts]) => {{
          ({SET_SCENE})(objects);
          return texts.map((text) => app.questions.truth(
            app.questions.tokenize(text), app.scene).answers);
        }})""",
        asked,
    )
    by_scene = {scene["image_index"]: scene for scene in scenes}
    for question, answers in zip(questions, found, strict=True):
        case = (seed, question["question"], question["image_index"])
        scene = by_scene[question["image_index"]]
        assert question["answer"] in answers, case
        assert set(answers) == readings(question["question"], scene), case


def test_the_page_asks_what_fits(page):
    """A question of each family, about a scene in which there is one."""
    asked = page.evaluate(
        """async () => {
          const asking = await import('./asking.js');
          return app.task.families.map((family) => {
          for (let tries = 0; tries < 30; tries++) {
            app.scene.redraw();
            const text = asking.ask(app.task, family, app.scene);
            if (!text) continue;
            app.text = text;
            return {
              text,
              truth: app.read().truth,
              objects: app.scene.objects.map(
                (item) => ({ ...item, place: app.scene.place(item) })),
            };
          }
          return null;
          });
        }"""
    )
    assert len(asked) == 90
    for family, question in enumerate(asked):
        assert question is not None, family
        found = [f.index for f, _ in parse(question["text"])]
        assert family in found, question["text"]
        scene = released(question["objects"])
        assert set(question["truth"]) == readings(question["text"], scene)


def test_scenes_keep_to_the_rules(page):
    """Objects are as far apart as in scenes for training."""
    scenes = page.evaluate(
        """() => Array.from({ length: 40 }, () => {
          app.scene.redraw();
          return app.scene.objects.map((item) => app.scene.place(item));
        })"""
    )
    numbers = {len(places) for places in scenes}
    assert min(numbers) >= 3
    assert max(numbers) <= 10
    assert len(numbers) > 3
    for places in scenes:
        for i, (x, y, half) in enumerate(places):
            assert abs(x) <= 3
            assert abs(y) <= 3
            for x2, y2, half2 in places[:i]:
                far = ((x - x2) ** 2 + (y - y2) ** 2) ** 0.5
                assert far - half - half2 >= 0.25 - 1e-6
