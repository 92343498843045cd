import cv2
import numpy as np
import pytest
from PIL import Image

from goodparts.command import InputError
from preprocessing import images
from preprocessing.images import (
    image_size,
    read_image,
    read_mask,
    resize,
    write_image,
)

RED_LEFT = np.zeros((4, 6, 3), np.uint8)
RED_LEFT[:, :3, 0] = 255  # left half red, in RGB


def test_round_trip_is_rgb(tmp_path):
    write_image(tmp_path / "a.png", RED_LEFT)
    assert (read_image(tmp_path / "a.png") == RED_LEFT).all()


@pytest.mark.parametrize("mode", ["P", "RGBA", "L", "CMYK"])
def test_modes_become_rgb(tmp_path, mode):
    suffix = ".tif" if mode == "CMYK" else ".png"
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RED_LEFT).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (4, 6, 3) and image.dtype == np.uint8
    assert (image[:, :3].astype(int).sum(-1) > image[:, 3:].astype(int).sum(-1)).all()


def test_sixteen_bit_keeps_the_upper_eight(tmp_path):
    deep = np.full((4, 4), 0x80FF, np.uint16)  # 0x80 = 128
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert (read_image(tmp_path / "deep.png", bit_depth=16) == 128).all()


def test_exif_rotation_is_honoured(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it 90 degrees clockwise
    path = tmp_path / "turned.jpg"
    Image.fromarray(RED_LEFT).resize((60, 40)).save(path, exif=exif, quality=100)
    image = read_image(path)
    assert image.shape == (60, 40, 3) and image_size(path) == (60, 40)
    assert image[10, 20, 0] > 200 and image[50, 20, 0] < 50  # left became top


def test_strange_names(tmp_path):
    for name in ("with space.png", "Prüfling ß.png", "-dash.png"):
        write_image(tmp_path / name, RED_LEFT)
        assert read_image(tmp_path / name).shape == (4, 6, 3)


def test_unreadable_files_are_named(tmp_path):
    whole = tmp_path / "whole.jpg"
    write_image(whole, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:1500])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    for name, reason in [
        ("cut.jpg", "truncated"),
        ("empty.png", "0 bytes"),
        ("text.png", "not an image"),
        ("none.png", "no file"),
        (".", "folder"),
    ]:
        with pytest.raises(InputError, match=reason) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


def test_masks_of_255_and_of_class_indices(tmp_path):
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = True
    write_image(tmp_path / "m.png", mask)
    assert (read_mask(tmp_path / "m.png") == mask).all()
    write_image(tmp_path / "index.png", mask.astype(np.uint8) * 2)
    assert (read_mask(tmp_path / "index.png") == mask).all()


def test_resize_takes_height_first():
    assert resize(RED_LEFT, (8, 3)).shape == (8, 3, 3)
    assert resize(RED_LEFT, (4, 6)) is RED_LEFT


def test_a_photograph_is_no_mask_but_soft_edges_are(tmp_path):
    random = np.random.default_rng(0)
    write_image(tmp_path / "photo.png", random.integers(0, 255, (40, 40, 3), np.uint8))
    with pytest.raises(InputError, match="photograph, not a mask"):
        read_mask(tmp_path / "photo.png")
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 255
    soft = cv2.GaussianBlur(mask, (3, 3), 0)
    write_image(tmp_path / "soft.jpg", soft)
    assert 350 < read_mask(tmp_path / "soft.jpg").sum() < 450  # 20 x 20 pixels


@pytest.mark.parametrize("fault", [IndexError, RuntimeError, KeyError, MemoryError])
def test_a_decoder_that_raises_anything_means_unreadable(tmp_path, monkeypatch, fault):
    write_image(tmp_path / "1.png", np.zeros((4, 4, 3), np.uint8))

    def fail(*arguments, **options):
        raise fault("inside of a decoder")

    monkeypatch.setattr(images.Image, "open", fail)
    monkeypatch.setattr(images.cv2, "imdecode", fail)
    with pytest.raises(InputError, match="1.png"):
        read_image(tmp_path / "1.png")
