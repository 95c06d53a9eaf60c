"""What the tests of the page do in it, and what it shows them."""

from datasets.clevr.scenes import HALF_SIZE, relationships
from datasets.clevr.task import ClevrScene
from experiments.play.command import ROOT, RUNS
from experiments.run.runs import load_model

#: A scene of the page, its question and its replies.
STATE = """() => {
  const { app } = window;
  app.waiting = true;
  app.flush();
  return {
    text: app.text,
    words: app.questions.tokenize(app.text).join(' '),
    objects: app.scene.objects.map((item) => ({
      ...item, place: app.scene.place(item),
    })),
    replies: app.replies.map((reply) => reply && {
      scores: [...reply.scores],
      pairs: reply.pairs && reply.pairs.map((p) => [p.sender, p.receiver]),
      contributions: reply.pairs && [...reply.contributions(reply.best)],
    }),
    truth: app.read().truth,
  };
}"""

#: Puts objects on the page's floor.
SET_SCENE = """(objects) => {
  const { app } = window;
  app.scene.objects = objects.map((item) => (
    { ...item, id: app.scene.nextId++ }
  ));
  app.chosen = null;
}"""


def load_models():
    """The runs of the page, and their models."""
    return [load_model(ROOT / run) for run in RUNS]


def released(objects):
    """A scene of the released form, of the page's objects."""
    found = [
        {
            **{k: item[k] for k in ("size", "color", "material", "shape")},
            "rotation": item["rotation"],
            "3d_coords": item["place"],
        }
        for item in objects
    ]
    places = [item["3d_coords"] for item in found]
    return {"objects": found, "relationships": relationships(places)}


def as_scene(objects):
    """What a task reads of the page's objects."""
    return ClevrScene(released(objects))


def as_objects(scene):
    """The page's objects, of a scene of the released form."""
    for item in scene["objects"]:
        assert abs(item["3d_coords"][2] - HALF_SIZE[item["size"]]) < 1e-6
    return [
        {
            **{k: item[k] for k in ("size", "color", "material", "shape")},
            "rotation": item["rotation"],
            "x": item["3d_coords"][0],
            "y": item["3d_coords"][1],
        }
        for item in scene["objects"]
    ]
