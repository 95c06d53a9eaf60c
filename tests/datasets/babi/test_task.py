import pytest
import torch

from datasets.babi.importer import stories_of
from datasets.babi.stories import write_story
from datasets.babi.task import TASK, BabiData
from datasets.babi.vocabulary import TOKENS
from datasets.dataset import QuestionDataset
from datasets.store import open_store
from datasets.task import Source, find_task
from rn_graph.pairs import PairSelection

STORY = "Mary got the milk.\nMary went to the office.\n"


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    settings = BabiData(train=50, val=10, test=10)
    TASK.make(settings, folder)
    return folder


def test_made_stories(stores):
    assert find_task("babi") is TASK
    store = open_store(stores / "train.h5")
    assert store.num_questions == 2 * 50
    assert store.info == {"seed": 0, "tasks": [1, 3], "made": [1, 3]}
    assert "tasks 1" not in store.source
    assert "stories of task 1, 3 made by rn_graph" in store.source
    found = stories_of(store)
    assert {task: len(own) for task, own in found.items()} == {0: 10, 2: 10}
    before = (stores / "train.h5").read_bytes()
    TASK.make(BabiData(train=50, val=10, test=10), stores)  # as it is there
    assert (stores / "train.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": 51}, "`data.train` is 51, expected a multiple of 5"),
        ({"tasks": [1, 2]}, r"`data.tasks` is \[1, 2\], expected some of"),
        ({"tasks": []}, "expected some of"),
        ({"tasks": [0]}, "`data.tasks` names task 0"),
        ({"last": -1}, "`data.last` is -1"),
    ],
)
def test_settings_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        BabiData(**change)


def test_how_much_is_read_does_not_decide_what_is_made():
    assert BabiData(last=0).identity() == BabiData(last=5).identity()
    assert BabiData(last=5, stores="a").used()["last"] == 5
    assert TASK.last(BabiData(last=0)) is None


def test_a_question_in_the_words_of_its_file(stores):
    store = open_store(stores / "test.h5")
    batch = QuestionDataset(stores / "test.h5")[[0, 10]]
    found = stories_of(store)
    for q, task in enumerate((0, 2)):
        text = write_story(found[task][0], task)
        asked = next(line for line in text.splitlines() if "\t" in line)
        words = asked.split(" ", 1)[1].split("\t")[0].strip()
        assert TASK.words(batch, q) == words


def find(tmp_path, text, **options):
    path = tmp_path / "story.txt"
    path.write_text(text)
    return TASK.find_scene(Source(scene=str(path), **options), BabiData())


def test_a_story_as_a_batch_of_the_dataset_has_it(stores, tmp_path):
    data = QuestionDataset(stores / "test.h5", last=4)
    store = open_store(stores / "test.h5")
    for row in (4, 14):
        expected = data[[row]]
        story = stories_of(store)[0 if row < 10 else 2][row % 10 // 5]
        text = write_story(story, 0)
        scene = find(tmp_path, text)
        settings = BabiData(last=4)
        batch = TASK.batch(scene, TASK.words(expected, 0), settings)
        for key in ("words", "num_words", "pos", "batch", "tokens", "length"):
            assert torch.equal(batch[key], expected[key]), key
        names = TASK.objects(scene, settings, batch.pos)
        assert len(names) == 4
        last = batch.words[-1, : batch.num_words[-1]].tolist()
        assert names[-1].lower() == " ".join(TOKENS[w] for w in last) + "."


def test_words_that_are_objects_are_named(tmp_path):
    scene = find(tmp_path, STORY)
    names = TASK.objects(scene, BabiData(), torch.zeros(9, 2))
    assert names[:5] == ["1: Mary", "1: got", "1: the", "1: milk", "2: Mary"]
    assert len(names) == 9


def test_what_cannot_be_asked(tmp_path):
    settings = BabiData()
    with pytest.raises(ValueError, match="`story` is missing: expected a text"):
        TASK.find_scene(Source(), settings)
    with pytest.raises(FileNotFoundError, match="nope, which does not exist"):
        TASK.find_scene(Source(scene=str(tmp_path / "nope")), settings)
    with pytest.raises(ValueError, match=r"`index` is 1, but .* has 1 stories"):
        find(tmp_path, STORY, index=1)
    with pytest.raises(ValueError, match="expected neither"):
        find(tmp_path, STORY, objects=3)
    scene = find(tmp_path, STORY)
    with pytest.raises(ValueError, match="`question` has no words"):
        TASK.batch(scene, " ?", settings)
    with pytest.raises(ValueError, match="`question` has an unknown word 'ch"):
        TASK.batch(scene, "Where is the cheese?", settings)


def test_a_story_is_drawn(tmp_path):
    scene = find(tmp_path, STORY)
    pairs = PairSelection(torch.tensor([[0, 1], [1, 1]]), torch.ones(2))
    figure = TASK.draw(scene, BabiData(), {"all": pairs}, None, "Where?")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == STORY.splitlines()
    assert len(figure.axes[0].patches) == 2
