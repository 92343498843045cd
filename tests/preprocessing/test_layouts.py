"""From a source of every layout to a data set: groups whole, files in their places."""

import json

import cv2
import numpy as np
import pytest

from preprocessing.create_folders import create_folders
from preprocessing.images import is_image, read_image, read_mask, write_image
from preprocessing.instances import read_instances

SIZE = (40, 48)
BOX = (10, 12, 20, 16)  # x, y, width, height of every scratch
NUM_PARTS, NUM_FRAMES = 5, 3


def samples():
    """`(label, stem, image)`: parts of both classes, each seen in a few frames."""
    for label in ("good", "scratch"):
        for part in range(NUM_PARTS):
            random = np.random.default_rng([len(label), part])
            coarse = random.integers(40, 200, (5, 6, 3), np.uint8)
            look = cv2.resize(coarse, SIZE[::-1]).astype(float)
            for frame in range(NUM_FRAMES):
                noisy = look + random.normal(0, 2, look.shape)
                # Frames of one part lie far apart in the order of names.
                yield label, f"{frame}{part}_{label}", noisy.astype(np.uint8)


def scratch_mask():
    x, y, width, height = BOX
    mask = np.zeros(SIZE, bool)
    mask[y : y + height, x : x + width] = True
    return mask


def mvtec(folder):
    for number, (label, stem, image) in enumerate(samples()):
        split = "train" if label == "good" and number % 2 else "test"
        write_image(folder / split / label / f"{stem}.png", image)
        if label != "good":
            target = folder / "ground_truth" / label / f"{stem}_mask.png"
            write_image(target, scratch_mask())


def class_folders(folder):
    for label, stem, image in samples():
        write_image(folder / label / f"{stem}.png", image)


def image_mask_pairs(folder):
    for label, stem, image in samples():
        write_image(folder / label / f"{stem}.jpg", image)
        if label != "good":
            write_image(folder / label / f"{stem}.png", scratch_mask())


def labelme(folder):
    x, y, width, height = BOX
    corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
    for label, stem, image in samples():
        write_image(folder / f"{stem}.png", image)
        if label != "good":
            shape = {"label": label, "shape_type": "polygon", "points": corners}
            content = {"shapes": [shape], "imagePath": f"{stem}.png"}
            (folder / f"{stem}.json").write_text(json.dumps(content))


def coco(folder):
    images, annotations = [], []
    for number, (label, stem, image) in enumerate(samples()):
        write_image(folder / "images" / f"{stem}.png", image)
        images.append({"id": number, "file_name": f"{stem}.png"})
        if label != "good":
            found = {"image_id": number, "category_id": 1, "bbox": BOX}
            annotations.append(found)
    categories = [{"id": 1, "name": "scratch"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "all.json").write_text(json.dumps(content))


def voc(folder):
    (folder / "Annotations").mkdir(parents=True)
    x, y, width, height = BOX
    box = (
        f"<xmin>{x}</xmin><ymin>{y}</ymin>"
        f"<xmax>{x + width}</xmax><ymax>{y + height}</ymax>"
    )
    for label, stem, image in samples():
        write_image(folder / "JPEGImages" / f"{stem}.jpg", image)
        found = f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"
        content = f"<filename>{stem}.jpg</filename>{found if label != 'good' else ''}"
        path = folder / "Annotations" / f"{stem}.xml"
        path.write_text(f"<annotation>{content}</annotation>")


WRITERS = (mvtec, class_folders, image_mask_pairs, labelme, coco, voc)
WITH_MASKS, WITH_BOXES = (mvtec, image_mask_pairs, labelme), (coco, voc)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_groups_stay_whole_and_files_land_in_their_places(write, tmp_path):
    source = tmp_path / "parts"
    source.mkdir()
    write(source)
    dataset, _ = create_folders(source, out=tmp_path / "dataset")
    rows, folder = dataset.manifest, dataset.folder
    assert dataset.info["layout"] == write.__name__ and dataset.info["leak"] == 0
    assert len(rows) == 2 * NUM_PARTS * NUM_FRAMES and not rows["frame"].any()
    assert rows.groupby("group")["split"].nunique().eq(1).all()
    assert (rows.groupby("group").size() == NUM_FRAMES).all()
    parts = rows["path"].str.extract(r"\d(\d_[a-z]+)\.")[0]  # by the file's name
    assert rows.groupby(parts)["group"].nunique().eq(1).all()
    assert rows.groupby("label")["split"].nunique().eq(3).all()
    instances = read_instances(folder / "instances.json")
    for row in rows.itertuples():
        assert row.path.startswith(f"{row.split}/images/{row.label}/")
        assert row.path.split(".")[0].endswith(row.label)
        original = read_image(source / row.source)
        assert np.array_equal(read_image(folder / row.path), original)
        assert bool(row.mask_path) == (row.label != "good" and write in WITH_MASKS)
        if row.mask_path:
            assert row.mask_path.startswith(f"{row.split}/ground_truth/{row.label}/")
            mask = read_mask(folder / row.mask_path)
            rim = 2 if write is labelme else 0  # polygons are drawn with their edges
            assert np.abs(mask.sum() - scratch_mask().sum()) <= rim * sum(BOX[2:])
            assert mask[scratch_mask()].all()
        has_instance = row.label != "good" and write in (*WITH_MASKS, *WITH_BOXES)
        boxes = [each["bbox"] for each in instances[row.sample_id]]
        assert boxes == ([list(BOX)] if has_instance else [])
    there = {str(path.relative_to(folder)) for path in folder.glob("*/*/*/*")}
    assert {name for name in there if is_image(name)} == {
        *rows["path"],
        *rows["mask_path"],
    } - {""}
