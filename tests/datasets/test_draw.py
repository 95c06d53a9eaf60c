"""Arrows between objects, and panels of them, for any task's pictures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Arc, FancyArrowPatch

from datasets.draw import draw_pairs, panels
from rn_graph.pairs import PairSelection

plt.switch_backend("agg")


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def arrows(axes):
    return [p for p in axes.patches if isinstance(p, FancyArrowPatch)]


def loops(axes):
    return [p for p in axes.patches if isinstance(p, Arc)]


def test_arrows_go_from_sender_to_receiver(axes):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 9.0]])
    pairs = PairSelection(torch.tensor([[0, 2], [1, 1]]))
    draw_pairs(axes, places, np.full(3, 0.5), pairs, "black")
    for arrow, sender in zip(arrows(axes), (0, 2), strict=True):
        start, end = (np.array(p) for p in arrow._posA_posB)
        assert np.linalg.norm(start - places[sender]) < 1
        assert np.linalg.norm(end - places[1]) < 1


def test_an_object_s_pair_with_itself_is_a_loop_at_it(axes):
    places = np.array([[0.0, 0.0], [4.0, 0.0]])
    pairs = PairSelection(torch.tensor([[0, 1, 0], [0, 1, 1]]))
    draw_pairs(axes, places, np.full(2, 0.5), pairs, "black")
    assert len(arrows(axes)) == 1
    for loop, place in zip(loops(axes), places, strict=True):
        assert np.linalg.norm(np.array(loop.center) - place) < 1


def test_opacity_grows_with_weight(axes):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    edges = torch.tensor([[0, 1, 2, 0], [1, 2, 0, 2]])
    weight = torch.tensor([1.5, 0.5, 1.0, 0.0])
    pairs = PairSelection(edges, weight)
    draw_pairs(axes, places, np.full(3, 0.5), pairs, "black")
    opacity = [arrow.get_alpha() for arrow in arrows(axes)]  # faint ones first
    assert opacity == sorted(opacity)
    assert opacity == pytest.approx([0.1, 0.1 + 0.8 / 3, 0.1 + 1.6 / 3, 0.9])


def test_the_outline_of_a_faint_arrow_is_faint_too(axes):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    edges = torch.tensor([[0, 1], [1, 2]])
    pairs = PairSelection(edges, torch.tensor([0.1, 1.0]))
    draw_pairs(axes, places, np.full(3, 0.5), pairs, "yellow", "black")
    for arrow in arrows(axes):
        [stroke] = arrow.get_path_effects()
        assert stroke._gc["alpha"] < arrow.get_alpha()
    faint, full = (a.get_path_effects()[0]._gc["alpha"] for a in arrows(axes))
    assert faint < 0.3 * full


def test_objects_at_one_place_and_no_objects_are_drawn(axes):
    pairs = PairSelection(torch.tensor([[0, 1], [1, 1]]))
    draw_pairs(axes, np.zeros((2, 2)), np.full(2, 0.5), pairs, "black", "red")
    assert (len(arrows(axes)), len(loops(axes))) == (1, 1)
    none = PairSelection(torch.zeros(2, 0).long(), torch.zeros(0))
    draw_pairs(axes, np.zeros((0, 2)), np.zeros(0), none, "black")
    axes.figure.canvas.draw()


@pytest.mark.parametrize("count", range(1, 6))
@pytest.mark.parametrize("heights", [[4], [4, 2.5]])
def test_a_panel_for_each_choice_and_row(count, heights):
    chosen = {
        f"{i} kept": PairSelection(torch.zeros(2, i).long())
        for i in range(count)
    }
    seen = []

    def paint(row):
        def inner(axes, pairs):
            seen.append((row, pairs.edge_index.size(1)))
            axes.set_gid("painted")

        return inner

    rows = [(height, paint(row)) for row, height in enumerate(heights)]
    figure = panels(chosen, rows, 3, title="above")
    painted = [a for a in figure.axes if a.get_gid() == "painted"]
    assert seen == [(r, i) for r in range(len(heights)) for i in range(count)]
    assert len(painted) == count * len(heights)
    titles = [axes.get_title() for axes in painted]
    assert titles[:count] == [f"{i} kept  ·  {i} of 9" for i in range(count)]
    assert not any(titles[count:])
    assert all(a.get_gid() or not a.axison for a in figure.axes)
    assert figure.get_suptitle() == "above"
    texts = [text.get_text() for text in figure.legends[0].texts]
    assert texts == ["pair: sender to receiver"]
    plt.close(figure)


def test_the_legend_says_what_faint_arrows_are():
    edges = torch.zeros(2, 1).long()
    chosen = {"a": PairSelection(edges, torch.ones(1))}
    figure = panels(chosen, [(4, lambda axes, pairs: None)], 2)
    assert len(figure.legends[0].texts) == 2
    plt.close(figure)


def test_a_long_title_stays_in_the_picture():
    words = "what is the shape of the object that is the closest to another"
    chosen = {"one": PairSelection(torch.tensor([[0], [1]]), None)}
    figure = panels(chosen, [(4, lambda axes, pairs: None)], 2, title=words)
    figure.canvas.draw()
    [text] = [t for t in figure.texts if "shape" in t.get_text()]
    assert text.get_text().replace("\n", " ") == words
    box = text.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    plt.close(figure)
