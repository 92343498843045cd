import keras
import pytest

from backbones import BACKBONES, build_backbone
from preprocessing.create_folders import create_folders
from preprocessing.images import read_image, write_image

NUM_BLOCKS = 5  # of 19: TensorFlow takes long to trace all of them


@pytest.fixture(scope="module")
def short_mobilenet():
    """MobileNetV2 ends after its first blocks."""
    whole = BACKBONES["mobilenetv2"]
    constructor = getattr(keras.applications, whole.constructor)
    blocks = whole.blocks[:NUM_BLOCKS]

    def first_blocks(**arguments):
        network = constructor(**arguments)
        return keras.Model(network.input, network.get_layer(blocks[-1]).output)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, whole.constructor, first_blocks)
        patch.setitem(BACKBONES, "mobilenetv2", whole._replace(blocks=blocks))
        yield


@pytest.fixture(scope="module")
def weights(short_mobilenet, tmp_path_factory):
    """A weights file of these blocks with random numbers."""
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
