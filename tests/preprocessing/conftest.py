import numpy as np
import pandas as pd
import pytest

from goodparts.files import file_hash
from preprocessing.images import write_image
from preprocessing.instances import mask_instances, write_instances
from preprocessing.manifest import COLUMNS, read_dataset, write_dataset

SIZE = (40, 48)
PARTS = {  # label: (file suffix, stems in train, in validate, in test)
    "crack": (".png", ["0", "1"], ["2"], ["3"]),
    "good": (".png", ["0", "1", "2", "3"], ["4"], ["5"]),
    "hole": (".jpg", ["0", "1", "2"], [], ["3"]),
}


@pytest.fixture
def make_dataset():
    """Writes a data set of dark 48x40 images with one bright defect; see PARTS.

    Cracks have masks, holes have annotated boxes without polygons.
    """
    return _make_dataset


def _make_dataset(folder):
    rng = np.random.default_rng(0)
    samples = []
    for label, (suffix, *splits) in PARTS.items():
        for split, stems in zip(("train", "validate", "test"), splits, strict=True):
            for stem in stems:
                image = rng.integers(20, 50, (*SIZE, 3), dtype=np.uint8)
                mask = np.zeros(SIZE, bool)
                if label != "good":
                    top, left = rng.integers(8, 20, 2)
                    mask[top : top + 12, left : left + 10] = True
                    image[mask] = 240
                sample = _write_sample(folder, label, split, stem + suffix, image, mask)
                samples.append(sample)
    classes = sorted(PARTS)
    write_instances(folder / "instances.json", samples, classes)
    info = {"name": folder.name, "classes": classes, "normal_class": "good"}
    write_dataset(folder, pd.DataFrame(samples), info)
    return folder


def _write_sample(folder, label, split, name, image, mask):
    stem = name.split(".")[0]
    path = f"{split}/images/{label}/{name}"
    write_image(folder / path, image)
    mask_path = ""
    instances = mask_instances(mask, label)
    if label == "crack":
        mask_path = f"{split}/ground_truth/{label}/{stem}_mask.png"
        write_image(folder / mask_path, mask)
    if label == "hole":
        instances = [{**each, "polygons": []} for each in instances]
    values = (
        f"{label}/{stem}",
        path,
        label,
        split,
        f"{label} part {stem}",
        f"{label}/line",
        stem,
        mask_path,
        f"{label}/{name}",
        file_hash(folder / path),
    )
    row = dict(zip(COLUMNS, values, strict=True))
    return {**row, "size": SIZE, "instances": instances}


@pytest.fixture
def one_class_dataset(make_dataset, tmp_path):
    """The data set of `make_dataset` with its good parts alone: 4 in train."""
    dataset = read_dataset(make_dataset(tmp_path / "good_parts"))
    goods = dataset.manifest[dataset.manifest["label"] == "good"]
    write_dataset(dataset.folder, goods, {**dataset.info, "classes": ["good"]})
    return dataset.folder


@pytest.fixture
def read_tree():
    """Reads a folder as {relative path: bytes}, hidden files included."""

    def read(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read
