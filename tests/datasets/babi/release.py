"""A release of made stories of tasks 1 and 3, in the official layout."""

from datasets.babi.stories import write_story
from datasets.babi.world import make_stories

NAMES = {1: "qa1_single-supporting-fact", 3: "qa3_three-supporting-facts"}


def write_release(folder, train=100, test=20, tasks=(1, 3), edition="en-10k"):
    """Write files; returns the folder that holds them."""
    own = folder / "tasks_1-20_v1-2" / edition
    own.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        for split, count in (("train", train), ("test", test)):
            stories = make_stories(task, count, 0, split)
            text = "".join(write_story(story, task - 1) for story in stories)
            path = own / f"{NAMES[task]}_{split}.txt"
            path.write_text(text, encoding="utf-8")
    return own
