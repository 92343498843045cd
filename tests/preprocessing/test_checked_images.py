import errno

import numpy as np
from import_helpers import mask

from goodparts.files import file_hash
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image
from preprocessing.importing.checked_images import check_images
from preprocessing.importing.layouts import read_source


def test_images_are_copied_where_no_link_can_be_made(
    part_folder, tmp_path, monkeypatch
):
    def refuse(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    dataset, _ = create_folders(part_folder, out=tmp_path, link=True)
    paths, hashes = dataset.manifest["path"], dataset.manifest["sha256"]
    assert len(paths) == 24 + 18
    assert [file_hash(dataset.folder / path) for path in paths] == list(hashes)


def write_noise(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    write_image(path, pixels)


def test_the_same_pixels_in_two_formats_have_one_label(tmp_path):
    write_noise(tmp_path / "good/x1.bmp", 1)
    write_noise(tmp_path / "hole/1.png", 1)
    write_noise(tmp_path / "good/2.png", 2)
    write_noise(tmp_path / "hole/3.png", 3)

    kept, rejected = check_images(read_source(tmp_path).images)

    assert [image.found.source for image in kept] == ["good/2.png", "hole/3.png"]
    assert [each.path for each in rejected] == ["good/x1.bmp", "hole/1.png"]
    assert all("has the labels good, hole" in each.reason for each in rejected)


def test_a_mask_of_most_of_the_image_may_be_inverted(tmp_path):
    for stem in "12":
        write_noise(tmp_path / f"images/{stem}.png", int(stem))
    mask(tmp_path / "masks/1.png")
    write_image(tmp_path / "masks/2.png", np.arange(64 * 64).reshape(64, 64) > 100)

    kept, remarks = check_images(read_source(tmp_path).images)

    assert len(kept) == 2
    assert [each.path for each in remarks] == ["images/2.png"]
    assert (
        "marks 98% of the image as defect: is the mask inverted?" in remarks[0].reason
    )
