"""Parts come into one pose, and what is found there goes back to its place."""

import cv2
import numpy as np
import pytest

from anomaly.foreground import find_foreground
from anomaly.view import (
    View,
    cells_of_mask,
    learn_view,
    look,
    map_of_image,
    part_of_cells,
    view_as_json,
    view_of_json,
)

SIZE = (240, 320)
BACKGROUND, PART, MARK = (230, 230, 225), (70, 80, 90), (200, 40, 40)


def bolt(angle=0.0, centre=(160, 120), mark=None, size=SIZE, length=150):
    """A bolt with a broad head; `mark` is a place along it, from its middle."""
    image = np.full((*size, 3), BACKGROUND, np.uint8)
    turn = np.radians(angle)
    axis = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-axis[1], axis[0]])

    def box(along, half_breadth, colour):
        corners = [
            np.array(centre) + a * axis + b * across
            for a, b in (
                (along[0], -half_breadth),
                (along[1], -half_breadth),
                (along[1], half_breadth),
                (along[0], half_breadth),
            )
        ]
        cv2.fillPoly(image, [np.round(corners).astype(np.int32)], colour)

    box((-length / 2, length / 2), 10, PART)
    box((length / 2 - 40, length / 2), 24, PART)
    if mark is not None:
        box((mark - 6, mark + 6), 5, MARK)
    return image


def bolts(number=20):
    random = np.random.default_rng(0)
    return [
        bolt(random.uniform(0, 360), random.uniform((130, 110), (190, 130)))
        for _ in range(number)
    ]


def test_the_part_is_found_without_its_background():
    mask, others = find_foreground(bolt())
    assert others == 0
    assert mask.shape == (120, 160)
    assert mask[60, 80] and mask[60, 110] and not mask[60, 20] and not mask[20, 80]
    assert mask.sum() * 4 == pytest.approx(110 * 20 + 40 * 48, rel=0.1)


def test_bolts_lie_alike_however_they_were_turned():
    view = learn_view(bolts(), 256 * 128)
    assert view.is_posed and view.has_axis
    assert view.length == pytest.approx(150, rel=0.05)
    canvases = [look(view, image).pixels.astype(float) for image in bolts()]
    mean = np.mean(canvases, axis=0)
    assert np.mean([np.abs(each - mean).mean() for each in canvases]) < 4
    dark = mean.mean(axis=2) < 150  # the head is broader, and to the right
    width = dark.shape[1]
    assert dark[:, : width // 2].sum() < 0.7 * dark[:, width // 2 :].sum()


@pytest.mark.parametrize("angle", [0, 35, 90, 150, 200, 290])
def test_what_is_found_on_the_canvas_goes_back_to_its_place(angle):
    view = learn_view(bolts(), 256 * 128)
    image = bolt(angle, (150, 125), mark=-30)
    canvas = look(view, image)
    is_red = canvas.pixels[..., 0].astype(int) - canvas.pixels[..., 1] > 80
    rows, columns = (side // 16 for side in view.size)
    grid = cv2.resize(
        is_red.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA
    )
    found = map_of_image(grid, canvas, SIZE)
    assert found.shape == (192, 256)
    y, x = np.unravel_index(found.argmax(), found.shape)
    turn = np.radians(angle)
    wanted = np.array([150 - 30 * np.cos(turn), 125 - 30 * np.sin(turn)])
    assert np.linalg.norm(np.array([x, y]) * 320 / 256 - wanted) < 8


def test_only_cells_of_the_part_count():
    view = learn_view(bolts(), 256 * 128)
    canvas = look(view, bolt(20))
    cells = part_of_cells(canvas, (view.size[0] // 4, view.size[1] // 4))
    assert 0.3 < cells.mean() < 1


@pytest.mark.parametrize("angle", [0, 60, 180])
def test_a_mask_comes_to_the_cells_of_its_defect(angle):
    view = learn_view(bolts(), 256 * 128)
    image = bolt(angle, (150, 125), mark=-30)
    canvas = look(view, image)
    mask = (image == MARK).all(axis=2)
    grid = (view.size[0] // 16, view.size[1] // 16)
    found = cells_of_mask(mask, canvas, grid)
    is_red = canvas.pixels[..., 0].astype(int) - canvas.pixels[..., 1] > 80
    shown = cv2.resize(
        is_red.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA
    )
    assert found.any() and not (found & (shown < 0.1)).any()
    assert found[shown > 0.4].all()


def test_a_small_mask_has_a_cell_and_an_empty_one_none():
    canvas = look(View((64, 96)), bolt())
    mask = np.zeros(SIZE, bool)
    assert not cells_of_mask(mask, canvas, (4, 6)).any()
    mask[100:106, 250:256] = True  # second row, fifth column
    found = cells_of_mask(mask, canvas, (4, 6))
    assert np.argwhere(found).tolist() == [[1, 4]]


@pytest.mark.parametrize(
    "image",
    [
        np.full((*SIZE, 3), BACKGROUND, np.uint8),  # nothing
        bolt(length=70),  # half a part
        np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8),
        np.minimum(bolt(centre=(160, 60)), bolt(centre=(160, 180))),  # two of them
    ],
)
def test_what_is_no_such_part_is_not_judged(image):
    assert look(learn_view(bolts(), 256 * 128), image) is None


def test_textures_and_parts_of_many_sizes_have_no_pose():
    random = np.random.default_rng(1)
    textures = [random.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(9)]
    assert learn_view(textures, 256 * 128) is None
    sizes = [bolt(length=length) for length in (60, 90, 130, 170, 210, 60, 210)]
    assert learn_view(sizes, 256 * 128) is None


def test_round_parts_are_centred_and_not_turned():
    images = []
    for x in (130, 150, 180):
        image = np.full((*SIZE, 3), BACKGROUND, np.uint8)
        images.append(cv2.circle(image, (x, 120), 50, PART, cv2.FILLED))
    view = learn_view(images, 128 * 128)
    assert view.is_posed and not view.has_axis and view.size[0] == view.size[1]
    first, *others = (look(view, image).pixels.astype(int) for image in images)
    assert all(np.abs(first - other).mean() < 4 for other in others)


def test_a_view_is_kept_as_json():
    for view in (View((64, 96)), View((64, 96), 30.5, 12.25, True)):
        assert view_of_json(view_as_json(view)) == view


def test_the_whole_image_is_resized():
    canvas = look(View((32, 64)), bolt())
    assert canvas.pixels.shape == (32, 64, 3) and canvas.is_part is None
    grid = np.zeros((2, 4))
    grid[0, 3] = 1
    found = map_of_image(grid, canvas, SIZE)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert x > 0.8 * found.shape[1] and y < 0.3 * found.shape[0]
