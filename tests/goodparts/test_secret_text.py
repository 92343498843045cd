"""Passwords come from variables and files, and are shown nowhere."""

from argparse import ArgumentTypeError

import pytest

from goodparts.secret_text import secret_text

ADDRESS = "rtsp://admin:s3cret@camera/line"


def test_value_is_where_it_is_said_to_be(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CAMERA", ADDRESS)
    file = tmp_path / "camera.txt"
    file.write_text(f"{ADDRESS}\n")
    file.chmod(0o600)
    assert secret_text("env:CAMERA") == ADDRESS
    assert secret_text(f"@{file}") == ADDRESS
    assert secret_text(ADDRESS) == ADDRESS
    assert capsys.readouterr().err == ""


def test_file_that_others_read_is_noted_once(tmp_path, capsys):
    file = tmp_path / "camera.txt"
    file.write_text(ADDRESS)
    file.chmod(0o644)
    for _ in range(2):
        assert secret_text(f"@{file}") == ADDRESS
    [note] = capsys.readouterr().err.splitlines()
    assert f"chmod 600 {file}" in note and "s3cret" not in note


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must hold one line"),
        (b"s3cret\nmore", "must hold one line"),
        (b"s3cret\xff", "must hold one line"),
        (b"s3cret" * 10_000, "must hold one line"),
        (None, "No such file"),
    ],
)
def test_what_cannot_be_used_is_told_without_its_value(tmp_path, content, words):
    file = tmp_path / "camera.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ArgumentTypeError, match=words) as error:
        secret_text(f"@{file}")
    assert "s3cret" not in str(error.value) and "Errno" not in str(error.value)


def test_variable_that_is_not_set(monkeypatch):
    monkeypatch.delenv("CAMERA", raising=False)
    with pytest.raises(ArgumentTypeError, match="env:CAMERA: .* is not set"):
        secret_text("env:CAMERA")
