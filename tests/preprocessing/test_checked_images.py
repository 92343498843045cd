import errno

from goodparts.files import file_hash
from preprocessing.create_folders import create_folders


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
