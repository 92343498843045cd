"""Clips show what happened, and recording never gets in inspection's way."""

import hashlib
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from live.record import clips
from live.record.clips import ClipRecorder, write_thumbnail
from preprocessing.images import read_image

SIZE = (48, 64)
PATIENCE = 60  # seconds in which anything here happens, however busy the machine


def plain(*rgb, size=SIZE):
    return np.full((*size, 3), rgb, np.uint8)


def grey(level):
    return plain(level, level, level)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 255, (240, 320, 3), dtype=np.uint8)


def decode(path):
    """(time, RGB image) of every frame."""
    with av.open(path) as container:
        return [
            (frame.time, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def times(path):
    return [round(time, 2) for time, _ in decode(path)]


def feed(recorder, images, *, at, every=0.1, **options):
    """Adds frames at the given times, when the recorder has taken the one before."""
    for index, image in enumerate(images):
        recorder.add(image, at + index * every, **options)
        settle(recorder)


def settle(recorder):
    while recorder._inbox.qsize():
        time.sleep(0.001)


@pytest.fixture
def recorder(tmp_path):
    made = []

    def make(**options):
        options = {"seconds_before": 1, "seconds_after": 1} | options
        made.append(ClipRecorder(tmp_path / "clips", **options))
        return made[-1]

    yield make
    for each in made:
        each.stop(PATIENCE)


def test_clip_has_the_seconds_before_and_after_in_true_time(recorder, tmp_path):
    record = recorder()
    feed(record, map(grey, range(0, 150, 5)), at=100)  # 100.0 to 102.9
    record.start_event("one", 102.9)
    feed(record, map(grey, range(150, 250, 5)), at=103)  # ends at 103.9
    record.stop(PATIENCE)
    frames = decode(tmp_path / "clips" / "one.mp4")
    assert [round(time, 2) for time, _ in frames] == [
        round(index / 10, 2) for index in range(21)
    ]
    levels = [image.mean() for _, image in frames]
    np.testing.assert_allclose(levels, range(95, 200, 5), atol=3)
    assert record.problem is None


def test_defective_frames_prolong_the_clip_and_gaps_stay_visible(recorder, tmp_path):
    record = recorder()
    feed(record, [grey(90)] * 2, at=0)
    record.start_event("one", 0.1)
    feed(record, [grey(120)], at=0.8, defective=True)
    feed(record, [grey(120)], at=1.6)
    feed(record, [grey(120)], at=1.9)
    record.stop(PATIENCE)
    assert times(tmp_path / "clips" / "one.mp4") == [0, 0.1, 0.8, 1.6]


def test_endless_event_ends_after_a_minute(recorder, tmp_path):
    record = recorder()
    record.start_event("one", 0)
    feed(record, [grey(90)] * 80, at=0, every=1, defective=True)
    record.stop(PATIENCE)
    assert times(tmp_path / "clips" / "one.mp4")[-1] == 60


def test_red_stays_red_in_a_file_that_browsers_play(recorder, tmp_path):
    record = recorder()
    feed(record, [plain(220, 20, 30)], at=0)
    record.start_event("red", 0)
    record.stop(PATIENCE)
    path = tmp_path / "clips" / "red.mp4"
    [(_, image)] = decode(path)
    np.testing.assert_allclose(image.mean((0, 1)), (220, 20, 30), atol=6)
    with av.open(path) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # starts before it is read


def test_odd_sizes_are_cut_and_wide_frames_reduced(recorder, tmp_path):
    record = recorder()
    feed(record, [grey(90)[:41, :33]], at=0)
    record.start_event("odd", 0)
    feed(record, [plain(1, 2, 3, size=(500, 3000))], at=0.1)
    record.start_event("wide", 0.1)
    record.stop(PATIENCE)
    assert decode(tmp_path / "clips" / "odd.mp4")[0][1].shape == (40, 32, 3)
    assert decode(tmp_path / "clips" / "wide.mp4")[0][1].shape == (320, 1920, 3)


@pytest.mark.parametrize(
    "image, at", [(grey(90)[:40], 0.5), (grey(90), -50)], ids=["size", "time"]
)
def test_other_size_or_earlier_time_ends_the_clip(recorder, tmp_path, image, at):
    record = recorder()
    feed(record, [grey(50)] * 3, at=0)
    record.start_event("before", 0.2)
    feed(record, [image] * 4, at=at)
    record.start_event("behind", at + 0.3)
    record.stop(PATIENCE)
    assert times(tmp_path / "clips" / "before.mp4") == [0, 0.1, 0.2]
    behind = decode(tmp_path / "clips" / "behind.mp4")
    assert len(behind) == 4 and behind[0][1].shape == image.shape
    assert record.problem is None


def test_next_event_ends_the_clip_and_has_its_own_seconds_before(recorder, tmp_path):
    record = recorder()
    feed(record, [grey(50)] * 3, at=0)
    record.start_event("first", 0.2)
    feed(record, [grey(50)] * 2, at=0.3)
    record.start_event("second", 0.4)
    feed(record, [grey(50)], at=0.5)
    record.stop(PATIENCE)
    assert len(times(tmp_path / "clips" / "first.mp4")) == 5
    assert len(times(tmp_path / "clips" / "second.mp4")) == 6


def test_clip_ends_when_no_frame_comes(recorder, tmp_path):
    record = recorder(seconds_after=-0.9)  # waits a second longer than this
    feed(record, [grey(50)], at=0)
    record.start_event("one", 0)
    ends = time.monotonic() + PATIENCE
    while not (tmp_path / "clips" / "one.mp4").exists() and time.monotonic() < ends:
        time.sleep(0.02)
    assert times(tmp_path / "clips" / "one.mp4") == [0]


@pytest.mark.parametrize("camera_rate, kept", [(30, 100), (12, 100), (7, 70)])
def test_frames_are_thinned_to_ten_a_second(recorder, camera_rate, kept):
    record = recorder(seconds_before=20)
    jitter = np.random.default_rng(0).uniform(-0.004, 0.004, 10 * camera_rate)
    for index, offset in enumerate(jitter):
        feed(record, [grey(9)], at=index / camera_rate + offset)
    record.stop(PATIENCE)
    assert abs(len(record._pictures) - kept) <= 3


def test_caption_stands_above_the_picture(recorder, tmp_path):
    record = recorder()
    image = plain(20, 160, 90, size=(160, 320))
    feed(record, [image], at=0, caption="reject: broken 0.97")
    record.start_event("one", 0)
    record.stop(PATIENCE)
    [(_, shown)] = decode(tmp_path / "clips" / "one.mp4")
    strip = shown.shape[0] - 160
    assert shown[:strip].max() > 150
    difference = np.abs(shown[strip + 2 :].astype(int) - image[2:])
    assert difference.mean() < 5


def test_seconds_before_are_bounded_in_bytes(recorder, monkeypatch):
    monkeypatch.setattr(clips, "MAX_BYTES", 300_000)
    record = recorder(seconds_before=1000)
    feed(record, map(noise, range(20)), at=0)
    record.stop(PATIENCE)
    sizes = [len(picture.jpeg) for picture in record._pictures]
    assert 300_000 - 2 * max(sizes) < sum(sizes) <= 300_000
    assert sum(sizes) == record._num_bytes
    assert record._pictures[-1].captured_at == pytest.approx(1.9)


def test_add_never_waits(recorder, monkeypatch):
    """A thread that hangs costs frames, at most a handful of them in memory."""
    go_on = threading.Event()
    monkeypatch.setattr(clips, "as_jpeg", lambda image: go_on.wait(PATIENCE) and b"")
    record = recorder()
    for index in range(100):
        record.add(grey(1), float(index))
    assert record._inbox.qsize() <= clips.MAX_FRAMES_WAITING
    go_on.set()


def test_many_events_at_once_are_bounded_and_said(recorder, monkeypatch, tmp_path):
    go_on = threading.Event()
    write = clips._write_clip
    monkeypatch.setattr(
        clips, "_write_clip", lambda *given: go_on.wait(PATIENCE) and write(*given)
    )
    record = recorder()
    feed(record, [grey(1)], at=0)
    for index in range(10):
        record.start_event(f"event-{index}", 0)
    feed(record, [grey(1)], at=1)
    assert "There is no clip of event event-9" in record.problem
    go_on.set()
    record.stop(PATIENCE)
    assert 3 <= len(list((tmp_path / "clips").iterdir())) <= 4


def test_clip_that_is_not_written_in_time_is_said_by_stop(recorder, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(clips, "_write_clip", lambda *given: go_on.wait(PATIENCE))
    record = recorder()
    feed(record, [grey(1)], at=0)
    record.start_event("one", 0)
    record.stop(0.1)
    assert record.problem == "Clips were not complete after 0.1 s and are lost."
    go_on.set()


def test_disk_full_is_said_and_leaves_nothing(recorder, tmp_path):
    record = recorder()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    feed(record, map(noise, range(8)), at=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        record.start_event("one", 0.7)
        feed(record, map(noise, range(8)), at=0.8)
        record.start_event("two", 1.5)
        feed(record, [noise(0)], at=1.6)
        record.stop(PATIENCE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "There is no clip" in record.problem and "two.mp4" in record.problem
    assert "File too large" in record.problem
    assert list((tmp_path / "clips").iterdir()) == []


def test_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    record = ClipRecorder(tmp_path / "file" / "clips")
    assert "cannot be written" in record.problem
    feed(record, [grey(1)], at=0)
    record.start_event("one", 0)
    record.stop(PATIENCE)
    assert "There is no clip" in record.problem


def test_oldest_clips_go_first(recorder, tmp_path):
    """By the number of the event, whatever its time and that of the file."""
    folder = tmp_path / "clips"
    folder.mkdir()
    names = ["20261123T000000-0098", "20261122T000000-0099", "20200101T000000-0100"]
    for age, name in enumerate(names):
        (folder / f"{name}.mp4").write_bytes(bytes(400_000))
        os.utime(folder / f"{name}.mp4", (1000 - age, 1000 - age))
    (folder / "notes.txt").write_bytes(bytes(2_000_000))
    record = recorder(max_megabytes=1)
    feed(record, [grey(1)], at=0)
    record.start_event("20200102T000000-0101", 0)
    record.stop(PATIENCE)
    assert {path.name for path in folder.iterdir()} == {
        "20261122T000000-0099.mp4",
        "20200101T000000-0100.mp4",
        "20200102T000000-0101.mp4",
        "notes.txt",
    }


def test_a_complete_clip_is_told_with_its_hash(recorder, tmp_path):
    told = []
    record = recorder(tell=told.append)
    record.start_event("20261121T123456-0001", 0)  # without a picture, so no clip
    feed(record, [grey(1)], at=0)
    record.start_event("20261121T123456-0002", 0)
    record.stop(PATIENCE)
    content = (tmp_path / "clips" / "20261121T123456-0002.mp4").read_bytes()
    assert told[-1:] == [
        {
            "file": "clips/20261121T123456-0002.mp4",
            "bytes": len(content),
            "clip_sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    there = {f"clips/{path.name}" for path in (tmp_path / "clips").iterdir()}
    assert {clip["file"] for clip in told} == there


def test_killed_recorder_leaves_no_half_clip_for_the_next(tmp_path):
    """A clip is being written when the process is killed with SIGKILL."""
    folder = tmp_path / "clips"
    code = (
        "import sys, time, numpy as np\n"
        "from live.record.clips import ClipRecorder\n"
        "record = ClipRecorder(sys.argv[1])\n"
        "record.start_event('one', 0)\n"
        "for index in range(10_000):\n"
        "    image = np.zeros((48, 64, 3), np.uint8)\n"
        "    record.add(image, index / 200, defective=True)\n"
        "    time.sleep(0.005)\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", code, folder], cwd=root)
    ends = time.monotonic() + PATIENCE
    while not list(folder.glob(".*")) and time.monotonic() < ends:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert [path.name for path in folder.iterdir()] == [".one.mp4.partial"]
    ClipRecorder(folder).stop()
    assert list(folder.iterdir()) == []


def test_fault_of_a_thread_is_said(recorder, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    record = recorder()
    record.add("no image", 0.0)
    record._threads[0].join(PATIENCE)
    assert "has ended" in record.problem


def test_out_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = ClipRecorder(Path("12:30"))
    feed(record, [grey(50)], at=0)
    record.start_event("one", 0)
    record.stop(PATIENCE)
    assert (record.problem, times(tmp_path / "12:30" / "one.mp4")) == (None, [0])


@pytest.mark.parametrize("already, expected", [(0, 10), (15, 15), (19, 19)])
def test_threads_only_ever_become_nicer(
    recorder, tmp_path, monkeypatch, already, expected
):
    """As under `nice -n 15`: only the privileged may lower a nice value."""
    asked = []

    def set_priority(which, thread, niceness):
        asked.append(niceness)
        raise PermissionError

    monkeypatch.setattr(os, "getpriority", lambda which, thread: already)
    monkeypatch.setattr(os, "setpriority", set_priority)
    record = recorder()
    record.add(grey(50), 0.0)
    record.start_event("one", 0)
    record.stop(PATIENCE)
    assert asked == [expected] * 2
    assert (record.problem, times(tmp_path / "clips" / "one.mp4")) == (None, [0])


def test_oldest_thumbnails_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "MAX_THUMBNAILS", 2)
    (tmp_path / "notes.txt").write_text("mine")
    ids = ["20261121T235959-9998", "20261122T000000-9999", "20200101T000000-10000"]
    for event_id in ids:  # the clock was set back before the last
        write_thumbnail(tmp_path / f"{event_id}.jpg", grey(50))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20200101T000000-10000.jpg",
        "20261122T000000-9999.jpg",
        "notes.txt",
    ]
    write_thumbnail(tmp_path / "20200101T000001-10001.jpg", grey(50))
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == [
        "20200101T000000-10000.jpg",
        "20200101T000001-10001.jpg",
    ]


def test_thumbnail_is_small_and_known_by_its_hash(tmp_path):
    path = tmp_path / "events" / "one.jpg"
    image = plain(220, 20, 30, size=(600, 800))
    assert write_thumbnail(path, image) == hashlib.sha256(path.read_bytes()).hexdigest()
    thumbnail = read_image(path)
    assert thumbnail.shape == (240, 320, 3)
    np.testing.assert_allclose(thumbnail.mean((0, 1)), (220, 20, 30), atol=3)
    write_thumbnail(path, image[:100, :90])
    assert cv2.imread(path).shape == (100, 90, 3)
