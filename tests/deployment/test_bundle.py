import json
import os

import pytest

from deployment.bundle import ABOUT, FORMAT, read_bundle, seal
from goodparts.command import InputError
from goodparts.files import read_json, write_json


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "part.goodparts"
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "network.onnx").write_bytes(b"weights")
    (folder / "combiner.npz").write_bytes(b"arrays")
    seal(folder, {"classes": ["bad", "good"]})
    return folder


def test_what_was_sealed_is_read(bundle):
    found = read_bundle(bundle)
    assert found.files == {"0/network.onnx": b"weights", "combiner.npz": b"arrays"}
    assert found.about["classes"] == ["bad", "good"]


def test_sealing_again_changes_what_is_said_and_not_the_files(bundle):
    before = read_bundle(bundle).about
    seal(bundle, {"classes": ["bad", "good"], "parity": 1})
    after = read_bundle(bundle).about
    assert after["files"] == before["files"] and after["sha256"] != before["sha256"]


def test_a_changed_byte_a_cut_and_a_missing_file_are_refused(bundle):
    network = bundle / "0" / "network.onnx"
    for content in (b"weightz", b"weigh", b""):
        network.write_bytes(content)
        with pytest.raises(InputError, match="network.onnx was changed or truncated"):
            read_bundle(bundle)
    network.unlink()
    with pytest.raises(InputError, match="lacks the file 0/network.onnx"):
        read_bundle(bundle)


def test_a_changed_line_of_bundle_json_is_refused(bundle):
    about = read_json(bundle / ABOUT)
    write_json(bundle / ABOUT, about | {"classes": ["good", "bad"]})
    with pytest.raises(InputError, match="was changed after the export"):
        read_bundle(bundle)
    (bundle / ABOUT).write_text(json.dumps(about)[:40])
    with pytest.raises(InputError, match="is damaged"):
        read_bundle(bundle)
    write_json(bundle / ABOUT, about | {"files": [1]})
    with pytest.raises(InputError, match="is damaged"):
        read_bundle(bundle)
    write_json(bundle / ABOUT, [1])
    with pytest.raises(InputError, match="is damaged"):
        read_bundle(bundle)


def test_foreign_files_and_links_are_refused(bundle, tmp_path):
    (bundle / "0" / "extra.py").write_text("print()")
    with pytest.raises(InputError, match="does not belong to the bundle: 0/extra.py"):
        read_bundle(bundle)
    (bundle / "0" / "extra.py").unlink()
    real = tmp_path / "elsewhere"
    os.rename(bundle / "0", real)
    os.symlink(real, bundle / "0")
    with pytest.raises(InputError, match="does not belong to the bundle: 0"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../secret", "0/../../secret", "a\\b"]
)
def test_names_outside_the_bundle_are_refused(bundle, tmp_path, name):
    (tmp_path / "secret").write_text("x")
    about = read_json(bundle / ABOUT)
    del about["sha256"], about["format"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deployment.bundle._hash", lambda content: "0" * 64)
        write_json(
            bundle / ABOUT,
            {"format": FORMAT, **about, "files": {name: "0" * 64}, "sha256": "0" * 64},
        )
        with pytest.raises(InputError, match="outside the bundle"):
            read_bundle(bundle)


def test_what_is_no_bundle_says_what_to_give(bundle, tmp_path):
    with pytest.raises(InputError, match="is not a bundle.*goodparts export"):
        read_bundle(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="not a bundle. Export it first: goodparts"):
        read_bundle(tmp_path)
    with pytest.raises(InputError, match="no such folder. Check the path"):
        read_bundle(tmp_path / "none.goodparts")
    with pytest.raises(InputError, match="is a file; .* Give the folder: .*goodparts$"):
        read_bundle(bundle / ABOUT)
    (tmp_path / "a.goodparts").write_text("PK")
    with pytest.raises(InputError, match="is a file; a bundle is a folder"):
        read_bundle(tmp_path / "a.goodparts")
