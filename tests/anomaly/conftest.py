import pytest

from goodparts.files import file_hash
from preprocessing.images import read_image, write_image
from preprocessing.manifest import read_dataset, write_dataset


@pytest.fixture
def change_images():
    """Changes images of a data set in place, by a function of their pixels."""

    def change(folder, paths, function):
        dataset = read_dataset(folder)
        manifest = dataset.manifest.copy()
        for path in paths:
            image = read_image(folder / path).copy()
            function(image)
            write_image(folder / path, image)
            manifest.loc[manifest["path"] == path, "sha256"] = file_hash(folder / path)
        write_dataset(folder, manifest, dataset.info)

    return change
