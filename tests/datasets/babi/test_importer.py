from pathlib import Path

import numpy as np
import pytest

from datasets.babi.importer import (
    SCHEMA,
    hold_out,
    import_release,
    stories_of,
)
from datasets.babi.stories import decode, read_stories, write_story
from datasets.babi.vocabulary import TASKS
from datasets.babi.world import make_stories
from datasets.dataset import QuestionDataset
from datasets.store import open_store
from tests.datasets.babi.release import NAMES, write_release

REAL = Path(__file__).parents[3] / "../shared/data/babi"
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A release, and the stores of it."""
    folder = tmp_path_factory.mktemp("babi")
    own = write_release(folder)
    import_release(own, folder / "out", tasks=(1, 3), progress=False)
    return own, folder / "out"


def stories(folder, split):
    return stories_of(open_store(folder / f"{split}.h5"))


def texts(found):
    return {
        task: "".join(write_story(story, task) for story in own)
        for task, own in found.items()
    }


def test_every_story_is_the_file_s_own_text(imported):
    own, out = imported
    for task, name in NAMES.items():
        told = (own / f"{name}_test.txt").read_text()
        assert texts(stories(out, "test"))[task - 1] == told
        # Validation has the last stories of the training file.
        parts = [texts(stories(out, split))[task - 1] for split in SPLITS[:2]]
        assert "".join(parts) == (own / f"{name}_train.txt").read_text()


def test_a_tenth_is_held_out_in_whole_stories(imported):
    _, out = imported
    for split, count in zip(SPLITS, (18, 2, 4), strict=True):
        for own in stories(out, split).values():
            assert len(own) == count
            assert all(len(story.questions) == 5 for story in own)
    made = make_stories(3, 65, 0, "x")
    kept, held = hold_out(made)
    assert kept + held == made
    assert len(held) == 2  # 6.5 questions: those of one story are too few
    with pytest.raises(ValueError, match="1 training stories, expected more"):
        hold_out(made[:1])


def test_batches_have_sentences_and_what_decides(imported):
    _, out = imported
    data = QuestionDataset(out / "train.h5", schema=SCHEMA)
    own = stories(out, "train")[2]
    asked = [(s, question) for s in own for question in s.questions]
    first = 18 * 5  # after the questions of task 1
    rows = np.random.default_rng(0).permutation(len(asked))[:20]
    batch = data[first + rows]
    for q, row in enumerate(rows):
        story, question = asked[row]
        nodes = (batch.batch == batch.question_batch[q]).nonzero()[:, 0]
        told = [batch.words[n, : batch.num_words[n]].tolist() for n in nodes]
        assert told == story.sentences[: question.after]
        decide = batch.support[batch.support_batch == q] - nodes[0]
        assert decide.tolist() == question.support
        assert batch.y[q] == question.answer
        assert batch.family[q] == batch.question_type[q] == 2


def test_questions_after_one_sentence_share_a_scene(tmp_path):
    text = "1 John went to the office.\n2 Where is John?\toffice\t1\n"
    more = "3 Where is John?\toffice\t1\n4 John went to the garden.\n"
    last = "5 Where is John?\tgarden\t4\n"
    own = write_release(tmp_path, tasks=(1,))
    (own / f"{NAMES[1]}_test.txt").write_text(text + more + last)
    import_release(own, tmp_path / "out", tasks=[1], progress=False)
    store = open_store(tmp_path / "out/test.h5")
    assert store.columns["questions/scene"].tolist() == [0, 0, 1]
    assert store.columns["scenes/index"].tolist() == [0, 0]
    assert np.diff(store.columns["scenes/ptr"]).tolist() == [1, 2]
    assert len(stories(tmp_path / "out", "test")[0]) == 1


def test_made_stories_are_named(tmp_path):
    own = write_release(tmp_path, tasks=(1, 3), edition="en")
    (own / f"{NAMES[3]}_train.txt").unlink()
    out = tmp_path / "out"
    options = {"edition": "en", "tasks": [1, 3], "progress": False}
    with pytest.raises(ValueError, match="lacks the train file of task 3, exp"):
        import_release(own, out, **options)
    assert not out.exists()
    done = import_release(own, out, made=[3], **options)
    assert [summary.made for summary in done] == [[3], [3], []]
    assert done[0].questions == {1: 90, 3: 900}
    assert done[1].questions == {1: 10, 3: 100}
    for split in SPLITS:
        store = open_store(out / f"{split}.h5")
        assert ("stories of task 3 made" in store.source) == (split != "test")
        assert store.info["made"] == [3] * (split != "test")
    told = (own / f"{NAMES[3]}_test.txt").read_text()
    assert texts(stories(out, "test"))[2] == told


@pytest.mark.parametrize("option", ["tasks", "made"])
def test_a_task_that_there_is_not(tmp_path, option):
    own = write_release(tmp_path)
    with pytest.raises(ValueError, match=f"`{option}` names task 21, expected"):
        import_release(own, tmp_path, **{option: [21]}, progress=False)


def test_a_bad_line_leaves_nothing_behind(tmp_path):
    own = write_release(tmp_path)
    path = own / f"{NAMES[1]}_train.txt"
    lines = path.read_text().splitlines()
    lines[30] = lines[30].split(" ", 1)[1]
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"{path.name}, line 31: .* begin"):
        import_release(own, tmp_path / "out", tasks=[1], progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(
    not REAL.is_dir(), reason="needs the release in ../shared/data/babi"
)
def test_the_release_itself(tmp_path):
    done = import_release(REAL, tmp_path, made=[3], progress=False)
    counts = {s.split: s.questions for s in done}
    assert set(counts["test"].values()) == {1000}
    for task in range(1, 21):
        train, val = counts["train"][task], counts["val"][task]
        assert train + val == 10_000
        # A story of task 20 has up to 12 questions.
        assert 1000 <= val < 1012
    for split, names in (("test", ("test",)), ("train", ("train", "val"))):
        read = [texts(stories(tmp_path, name)) for name in names]
        for path in sorted(REAL.glob(f"qa*_{split}.txt")):
            task = int(path.name[2 : path.name.index("_")]) - 1
            # Some files have a blank after a question's mark.
            told = path.read_text().replace(" \t", "\t")
            mine = "".join(part[task] for part in read)
            assert mine.replace(" \t", "\t") == told, path.name
    sizes = {s.split: open_store(s.path).num_questions for s in done}
    assert sizes["train"] + sizes["val"] == 10_000 * len(TASKS)


@pytest.mark.skipif(
    not REAL.is_dir(), reason="needs the release in ../shared/data/babi"
)
def test_the_1k_file_of_task_3_is_read():
    path = REAL / "qa3_three-supporting-facts_train-1k.txt"
    read = list(read_stories(decode(path.read_bytes(), "1k"), "1k"))
    assert len(read) == 200
    assert "".join(write_story(s, 2) for s in read) == path.read_text()
