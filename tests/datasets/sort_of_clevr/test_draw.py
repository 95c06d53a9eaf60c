import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from datasets.sort_of_clevr.draw import MASKS, draw_images
from datasets.sort_of_clevr.scenes import make_streams, sample_scenes
from datasets.sort_of_clevr.vocabulary import COLOR_VALUES, SHAPES
from tests.datasets.sort_of_clevr.seen import fresh, look

COLOR_INDICES = np.arange(6)


@given(st.integers(0, 2**32 - 1))
@fresh(3)
def test_pictures_show_whole_objects_that_do_not_touch(seed):
    scenes = sample_scenes(make_streams(seed, "train", 0, 100))
    images = draw_images(scenes.center, COLOR_INDICES, scenes.shape)
    assert images.dtype == np.uint8
    for image, center, shape in zip(
        images, scenes.center, scenes.shape, strict=True
    ):
        # With its eight neighbours, no pixel of one reaches another.
        seen = list(look(image).values())
        grown = sum(
            binary_dilation(o.mask, np.ones((3, 3))).astype(int) for o in seen
        )
        covered = sum(o.mask.astype(int) for o in seen)
        assert covered.max() == 1
        assert (grown[covered > 0] == 1).all()
        assert (image[covered == 0] == 255).all()
        assert [(o.x, o.y) for o in seen] == [tuple(c) for c in center]
        assert [o.shape for o in seen] == [SHAPES[s] for s in shape]
        assert [o.mask.sum() for o in seen] == [(100, 80)[s] for s in shape]


def test_masks_are_ten_wide_and_symmetric():
    assert MASKS.shape == (2, 10, 10)
    for mask in MASKS:
        assert mask.any(0).all()
        for other in (mask[::-1], mask[:, ::-1], mask.T):
            np.testing.assert_array_equal(mask, other)
    assert not MASKS[1][0, 0]


@pytest.mark.parametrize(("axis", "column"), [(2, 0), (1, 1)])
def test_a_mirrored_scene_is_the_mirrored_picture(axis, column):
    scenes = sample_scenes(make_streams(1, "train", 0, 20))
    center = scenes.center.copy()
    center[..., column] = 75 - center[..., column]
    np.testing.assert_array_equal(
        draw_images(center, COLOR_INDICES, scenes.shape),
        np.flip(draw_images(scenes.center, COLOR_INDICES, scenes.shape), axis),
    )


def test_colours_may_differ_from_scene_to_scene():
    center = np.array([[[10, 20]], [[60, 30]]])
    image = draw_images(center, np.array([[3], [5]]), np.array([[0], [1]]))
    assert image[0, 20, 10].tolist() == list(COLOR_VALUES[3])
    assert image[1, 30, 60].tolist() == list(COLOR_VALUES[5])
    assert (image != 255).any(-1).sum((1, 2)).tolist() == [100, 80]
