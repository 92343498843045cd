import argparse

import numpy as np
import pytest
from PIL import Image

from goodparts.command import InputError
from preprocessing.images import write_image
from preprocessing.region import cut, fit_region, make_region, parse_roi

SIZE = (48, 64)  # height, width
FRAME = np.random.default_rng(0).integers(1, 256, (*SIZE, 3), np.uint8)


def half_mask(size):
    """White on the right half."""
    mask = np.zeros(size, bool)
    mask[:, size[1] // 2 :] = True
    return mask


def test_roi_text():
    assert parse_roi("1,2,30,40") == ((1, 2, 30, 40), None)
    assert parse_roi("1,2,30,40@640x368") == ((1, 2, 30, 40), (368, 640))


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4@5", "-1,2,3,4", "1,2,0,4", "1,2,3,4@0x9", "a,b,c,d"]
)
def test_bad_roi_text(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be x,y,width,height"):
        parse_roi(text)


def test_whole_frame_and_box_are_views():
    whole = make_region(None, None, SIZE)
    assert cut(FRAME, whole) is FRAME
    crop = cut(FRAME, make_region(parse_roi("10,4,20,30"), None, SIZE))
    assert np.shares_memory(crop, FRAME)
    assert (crop == FRAME[4:34, 10:30]).all()


@pytest.mark.parametrize("shape", ["frame", "box", "frame twice as large"])
def test_mask_of_frame_or_box_blackens_a_copy(tmp_path, shape):
    mask = np.zeros(SIZE, bool)
    mask[4:34, 20:64] = True  # the right half of the box
    if shape == "box":
        mask = mask[4:34, 10:30]
    if shape == "frame twice as large":
        mask = mask.repeat(2, axis=0).repeat(2, axis=1)
    write_image(tmp_path / "mask.png", mask)
    region = make_region(parse_roi("10,4,20,30"), tmp_path / "mask.png", SIZE)
    before = FRAME.copy()
    crop = cut(FRAME, region)
    assert (crop[:, :10] == 0).all()
    assert (crop[:, 10:] == FRAME[4:34, 20:30]).all()
    assert (FRAME == before).all() and not np.shares_memory(crop, FRAME)


def test_mask_is_white_above_127(tmp_path):
    grey = np.full(SIZE, 127, np.uint8)
    grey[0] = 128
    write_image(tmp_path / "mask.png", grey)
    region = make_region(None, tmp_path / "mask.png", SIZE)
    assert region.mask[0].all() and not region.mask[1:].any()


def test_scales_to_another_resolution(tmp_path):
    write_image(tmp_path / "mask.png", half_mask((30, 20)))
    region = make_region(parse_roi("10,4,20,30"), tmp_path / "mask.png", SIZE)
    large = FRAME.repeat(3, axis=0).repeat(3, axis=1)
    expected = cut(FRAME, region).repeat(3, axis=0).repeat(3, axis=1)
    assert (cut(large, region) == expected).all()
    assert fit_region(region, SIZE) is region
    assert fit_region(region, (144, 192)) is fit_region(region, (144, 192))


def test_roi_drawn_for_another_resolution():
    region = make_region(parse_roi("20,8,40,60@128x96"), None, SIZE)
    assert (cut(FRAME, region) == FRAME[4:34, 10:30]).all()


@pytest.mark.parametrize("roi", ["1279,719,1,1", "0,0,1280,720", "1,1,1279,719"])
@pytest.mark.parametrize("size", [(9, 16), (99, 176), (719, 1280), (1081, 1920)])
def test_scaled_box_stays_inside_and_is_not_empty(roi, size):
    region = make_region(parse_roi(roi), None, (720, 1280))
    x, y, width, height = fit_region(region, size).box
    assert width >= 1 and height >= 1
    assert x + width <= size[1] and y + height <= size[0]


def test_another_aspect_ratio_is_refused():
    region = make_region(parse_roi("10,4,20,30"), None, SIZE)
    cut(np.zeros((480, 645, 3), np.uint8), region)  # less than 1 %
    with pytest.raises(
        InputError, match="48x64 pixels, but the region was drawn for 64x48"
    ):
        cut(FRAME.transpose(1, 0, 2), region)
    with pytest.raises(InputError, match="aspect ratios differ"):
        make_region(parse_roi("0,0,9,9@16x9"), None, SIZE)


def test_box_outside_the_frame_is_refused():
    with pytest.raises(InputError, match="the frame is 64x48 pixels"):
        make_region(parse_roi("50,0,15,10"), None, SIZE)


@pytest.mark.parametrize("kind, suffix", [("JPEG", "jpg"), ("WEBP", "webp")])
def test_lossy_mask_is_refused_whatever_its_name(tmp_path, kind, suffix):
    for name in (f"mask.{suffix}", "mask.png"):
        Image.fromarray(half_mask(SIZE)).convert("L").save(tmp_path / name, kind)
        with pytest.raises(InputError, match=f"{name} is a {kind} .* PNG"):
            make_region(None, tmp_path / name, SIZE)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".pgm"])
def test_lossless_masks(tmp_path, suffix):
    write_image(tmp_path / f"mask{suffix}", half_mask(SIZE))
    region = make_region(None, tmp_path / f"mask{suffix}", SIZE)
    assert (region.mask == half_mask(SIZE)).all()


def test_masks_that_cannot_be_used(tmp_path):
    path, roi = tmp_path / "mask.png", parse_roi("0,0,32,24")
    with pytest.raises(InputError, match="no mask file"):
        make_region(None, path, SIZE)
    write_image(path, half_mask((30, 30)))
    with pytest.raises(InputError, match="has another aspect ratio. Draw it at 64x48"):
        make_region(None, path, SIZE)
    write_image(path, half_mask((96, 128)))  # the box has the frame's aspect ratio
    with pytest.raises(
        InputError, match="could be for either. .* or 32x24 .size of the box"
    ):
        make_region(roi, path, SIZE)
    write_image(path, half_mask(SIZE))
    with pytest.raises(InputError, match="black in the whole"):
        make_region(roi, path, SIZE)
    path.write_text("none")
    with pytest.raises(InputError, match="cannot be read as an image"):
        make_region(None, path, SIZE)
