"""Files that arrive in a folder: each once, whole, whatever happens to the others."""

import os
import shutil
import time

import numpy as np
import pytest

from goodparts.command import InputError
from live.camera import hot_folder
from live.camera.hot_folder import HotFolder
from live.camera.sources import open_source
from preprocessing.images import write_image

LOOKS = 5  # in which everything happens that does not wait for a clock


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(hot_folder, "POLL_S", 0.001)
    monkeypatch.setattr(hot_folder, "LOOKING_SHARE", 0)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "hot").mkdir()
    return HotFolder(tmp_path / "hot")


def image(grey):
    return np.full((8, 8, 3), grey, np.uint8)


def put(source, name, grey=0):
    write_image(source.path / name, image(grey))


def come(received, num_looks=LOOKS):
    """Names of pictures and the problems, by name, of some looks."""
    pictures, problems = [], {}
    while num_looks:
        one = next(received)
        if one.picture:
            pictures.append(os.path.basename(one.name))
        elif one.name:
            problems[os.path.basename(one.name)] = one.problem
        else:
            num_looks -= 1
    return pictures, problems


def test_what_is_there_comes_first_then_what_arrives(source):
    for name in ("10.png", "9.png"):
        put(source, name)
    received = source.receive()
    assert come(received)[0] == ["9.png", "10.png"]
    for name, age in (("b.png", 20), ("a.png", 10)):
        put(source, name)
        os.utime(source.path / name, (time.time() - age,) * 2)
    assert come(received)[0] == ["b.png", "a.png"]
    assert come(received) == ([], {})


def test_file_is_left_until_it_is_whole(source, tmp_path):
    put(source, "there.png")
    write_image(
        tmp_path / "whole.png",
        np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8),
    )
    content = (tmp_path / "whole.png").read_bytes()
    received = source.receive()
    come(received)
    with open(source.path / "slow.png", "wb") as file:
        for start in range(0, len(content), 1000):
            assert come(received) == ([], {})
            file.write(content[start : start + 1000])
            file.flush()
    assert come(received) == (["slow.png"], {})


def test_file_that_grows_is_not_read_at_once(source, monkeypatch):
    """Uncompressed images can look whole before they are."""
    received = source.receive()
    come(received)
    put(source, "part.bmp")
    looked = []
    monkeypatch.setattr(
        hot_folder, "read_image", lambda path, _: looked.append(path) or image(1)
    )
    for size in range(5):
        with open(source.path / "part.bmp", "ab") as file:
            file.write(b"x" * (size + 1))
        assert come(received, 1) == ([], {}) and not looked
    assert come(received)[0] == ["part.bmp"]


def test_broken_file_is_told_once_when_it_has_had_its_time(source, monkeypatch):
    received = source.receive()
    come(received)
    (source.path / "broken.png").write_bytes(b"no image")
    assert come(received) == ([], {})
    monkeypatch.setattr(hot_folder, "GIVE_UP_S", 0)
    pictures, problems = come(received)
    assert pictures == [] and "broken.png" in problems["broken.png"]
    assert come(received) == ([], {})


def test_broken_file_of_before_is_told_at_once(source):
    (source.path / "broken.png").write_bytes(b"no image")
    os.utime(source.path / "broken.png", (1, 1))
    assert list(come(source.receive())[1]) == ["broken.png"]


def test_deleted_file_is_told(source):
    received = source.receive()
    come(received)
    put(source, "a.png")
    come(received, 1)
    (source.path / "a.png").unlink()
    pictures, problems = come(received)
    assert pictures == [] and problems == {
        "a.png": "was moved or deleted before it was read"
    }


def test_what_is_no_image_is_counted_and_told_once_by_suffix(source):
    for name in ("a.txt", "b.txt", "c.TXT", "noted", ".hidden.png"):
        (source.path / name).write_text("x")
    (source.path / "folder").mkdir()
    (source.path / "folder.png").mkdir()
    os.mkfifo(source.path / "pipe.png")  # would be waited for without end
    received = source.receive()
    pictures, problems = come(received)
    assert pictures == [] and len(problems) == 4
    assert source.left_out == {
        "files .txt": 3,
        "files without an extension": 1,
        "folders": 2,
        "pipes, sockets or devices": 1,
    }


def test_file_that_comes_back_is_read_again_if_it_changed(source, tmp_path):
    put(source, "a.png")
    received = source.receive()
    assert come(received)[0] == ["a.png"]
    shutil.move(source.path / "a.png", tmp_path / "a.png")
    come(received)
    shutil.move(tmp_path / "a.png", source.path / "a.png")
    assert come(received)[0] == []
    (source.path / "a.png").unlink()
    come(received)
    time.sleep(0.02)
    put(source, "a.png", 9)
    assert come(received)[0] == ["a.png"]


def test_file_that_is_replaced_or_overwritten_is_read_again(source, tmp_path):
    put(source, "a.png")
    received = source.receive()
    assert come(received)[0] == ["a.png"]
    time.sleep(0.02)
    write_image(tmp_path / "other.png", image(7))
    (tmp_path / "other.png").replace(source.path / "a.png")
    assert come(received)[0] == ["a.png"]
    time.sleep(0.02)
    (source.path / "a.png").write_bytes((source.path / "a.png").read_bytes())
    assert come(received)[0] == ["a.png"]
    (source.path / "a.png").chmod(0o600)
    assert come(received)[0] == []


def test_folder_that_is_away_is_waited_for(source, tmp_path):
    put(source, "a.png")
    received = source.receive()
    assert come(received)[0] == ["a.png"]
    source.path.rename(tmp_path / "away")
    assert come(received) == ([], {"hot": "No such file or directory; waiting"})
    (tmp_path / "away").rename(source.path)
    put(source, "b.png")
    assert come(received) == (["b.png"], {})


def test_folder_that_did_not_change_is_not_listed(source, monkeypatch):
    received, listed, scandir = source.receive(), [], os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda path: listed.append(path) or scandir(path)
    )
    come(received, 20)
    assert len(listed) == 1
    monkeypatch.setattr(hot_folder, "LOOK_AGAIN_S", 0)
    come(received, 5)
    assert len(listed) == 6


def test_what_is_judged_is_left_out_unless_it_changed_later(source):
    for name in ("old.png", "new.png", "never.png"):
        put(source, name)
    now = time.time_ns()
    source = HotFolder(source.path, {"old.png": now, "new.png": now - 10**12})
    assert sorted(come(source.receive())[0]) == ["never.png", "new.png"]


def test_what_is_judged_is_known_by_its_escaped_name(source):
    name = os.fsdecode(b"part\xe9.png")
    put(source, name)
    again = HotFolder(source.path, {"part%E9.png": time.time_ns()})
    assert come(again.receive()) == ([], {})
    assert come(source.receive())[0] == [name]


def test_only_a_folder_is_followed(tmp_path):
    put_at = tmp_path / "a.png"
    write_image(put_at, image(0))
    for text in (put_at, tmp_path / "none", "rtsp://me:s3cret@camera/line"):
        with pytest.raises(InputError, match="--follow needs a folder") as error:
            open_source(text, follow=True)
        assert "s3cret" not in str(error.value)
    assert not open_source(tmp_path, follow=True).ends
