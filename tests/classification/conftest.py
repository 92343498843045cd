import pytest

from backbones import build_backbone
from preprocessing.create_folders import create_folders
from preprocessing.images import read_image, write_image


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A weights file of MobileNetV2 with random numbers."""
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2.weights.h5"
    build_backbone("mobilenetv2", weights="none").save_weights(path)
    return path


@pytest.fixture(scope="session")
def make_masked(part_folder):
    """Builds a data set of the washers with masks of their red spots in a folder."""

    def make(folder):
        for path in sorted(part_folder.rglob("*.png")):
            image = read_image(path)
            target = folder / "masked" / path.parent.name / path.name
            write_image(target, image)
            if path.parent.name == "bad":
                red = (image == (255, 0, 0)).all(axis=2)
                write_image(target.with_name(f"{path.stem}_mask.png"), red)
        out = folder / "dataset"
        return create_folders(folder / "masked", out=out, grouping="none")[0].folder

    return make
