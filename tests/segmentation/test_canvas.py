"""Images on a canvas keep their aspect ratio, and boxes find their way back."""

import numpy as np
import pytest

from segmentation.canvas import FILL, place_image, size_on_canvas, to_image


@pytest.mark.parametrize(
    ("size", "canvas", "expected"),
    [
        ((460, 1130), (352, 800), (326, 800)),
        ((300, 100), (320, 800), (320, 107)),
        ((320, 800), (320, 800), (320, 800)),
        ((1, 9000), (320, 800), (1, 800)),
        ((40, 100), (320, 800), (320, 800)),
    ],
)
def test_sizes(size, canvas, expected):
    assert size_on_canvas(size, canvas) == expected


def test_the_rest_of_the_canvas_is_grey():
    placed = place_image(np.full((40, 20, 3), 7, np.uint8), (64, 96))
    assert placed.size == (64, 32) and placed.pixels.shape == (64, 96, 3)
    assert (placed.pixels[:, :32] == 7).all() and (placed.pixels[:, 32:] == FILL).all()


def test_boxes_come_back_into_the_image():
    image = np.zeros((50, 80, 3), np.uint8)
    image[10:20, 30:60] = 255
    placed = place_image(image, (96, 160))
    rows, columns = np.nonzero(
        placed.pixels[: placed.size[0], : placed.size[1], 0] > 127
    )
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.allclose(
        to_image(np.array([box], float), placed), [[30, 10, 60, 20]], atol=1
    )
