import itertools
import threading
import time
from types import SimpleNamespace

import pytest
import stream_server as server

from goodparts.command import InputError
from live.camera import pixels as pixels_of
from live.camera import sources
from live.camera.capture import FILE_QUEUE, Capture, EndOfSource, NoFrame
from live.camera.received import Picture, Received, Source, SourceLost
from preprocessing.images import write_image

SIZE = (96, 288)
PATIENCE = 60  # seconds in which anything here happens, however busy the machine


@pytest.fixture
def camera():
    with server.MjpegServer(size=SIZE, rate=60) as camera:
        yield camera


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        write_image(tmp_path / f"{number}.png", server.draw(number, SIZE))
    return tmp_path


def wait_for(condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "did not happen"
        time.sleep(0.01)


def take(capture, count):
    """The next frames; each is checked to be a whole picture."""
    frames = []
    while len(frames) < count:
        frame = capture.next(PATIENCE)
        assert frame is not None, capture.status()
        if isinstance(frame, NoFrame):
            continue
        assert server.read_code(frame.image) is not None, "not a whole picture"
        frames.append(frame)
    return frames


def drain(capture):
    """Takes what is waiting, until nothing comes for a while."""
    while capture.next(0.3):
        pass


def test_folder_gives_every_frame_and_waits_for_the_caller(folder):
    (folder / "5.png").write_bytes(b"broken")
    with Capture(folder) as capture:
        wait_for(lambda: capture.status()["num_frames"] == FILE_QUEUE)
        time.sleep(0.1)
        assert capture.status()["num_frames"] == FILE_QUEUE
        frames = take(capture, 11)
        with pytest.raises(EndOfSource):
            capture.next(1)
        with pytest.raises(EndOfSource):
            capture.next(1)
        status = capture.status()
    codes = [server.read_code(frame.image) for frame in frames]
    assert codes == [frame.number for frame in frames] == [*range(5), *range(6, 12)]
    assert status["state"] == "ended" and status["size"] == list(SIZE)
    assert (status["num_frames"], status["num_bad"], status["num_dropped"]) == (
        11,
        1,
        0,
    )
    assert "5.png" in status["last_error"]


def test_broken_images_of_a_folder_are_counted_and_named_at_its_end(tmp_path):
    for number in range(5):
        write_image(tmp_path / f"{number}.jpg", server.draw(number, SIZE))
    content = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "3.jpg").write_bytes(b"garbage")
    with Capture(tmp_path) as capture:
        assert [frame.number for frame in take(capture, 3)] == [0, 2, 4]
        with pytest.raises(EndOfSource):
            capture.next(PATIENCE)
        status = capture.status()
    assert status["num_bad"] == 2 and "3.jpg" in status["last_error"]


def script(monkeypatch, *connections):
    """Puts cameras that give these things, one list a connection, in the place of all.

    A number is a picture of that age in seconds, an exception is raised, an event is
    waited for. The last camera stays connected. The clock of the capture goes on by
    10 ms with each picture and stands still between them.
    """
    waiting, now = list(connections), [0.0]

    def receive():
        for what in waiting.pop(0):
            if isinstance(what, Exception):
                raise what
            if isinstance(what, threading.Event):
                assert what.wait(PATIENCE)
                continue
            now[0] += 0.01
            pixels = server.draw(server.now_number(), SIZE)
            yield Received(Picture(pixels, now[0] - what, None))
            time.sleep(0.01)
        while not waiting:
            yield Received()
            time.sleep(0.01)

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("live.camera.capture.time", clock)
    source = Source("rtsp://camera", True, receive)
    monkeypatch.setattr(sources, "open_source", lambda text, read_timeout: source)
    return Capture("rtsp://me:secret@camera")


def test_old_pictures_are_dropped_and_lead_to_a_new_connection(monkeypatch):
    monkeypatch.setattr("live.camera.capture.LATE_FOR", 0.095)  # of eleven pictures
    late, go_on = [5.0] * 6, threading.Event()
    cameras = [5.0] * 100, [0.0, go_on, *late, 0.0, *late, 0.0]
    with script(monkeypatch, *cameras) as capture:
        assert take(capture, 1)[0].number == 11
        go_on.set()
        wait_for(lambda: take(capture, 1)[0].number == 25)
        status = capture.status()
    assert "the picture is 5.0 s behind the camera" in status["last_error"]
    assert status["num_reconnects"] == 1 and status["state"] == "running"
    assert status["num_dropped"] - 11 - 12 in (0, 1)  # 1 if the last came at once


def test_unexpected_fault_of_a_camera_is_told_and_survived(monkeypatch):
    fault = ZeroDivisionError("at rtsp://me:secret@camera")
    come_back, fail = threading.Event(), threading.Event()
    with script(monkeypatch, [fault], [come_back, 0.0, fail, fault], [0.0]) as capture:
        wait_for(lambda: capture.status()["last_error"])
        status = capture.status()
        assert status["state"] == "reconnecting"
        assert status["last_error"] == "ZeroDivisionError: at rtsp://camera"
        come_back.set()
        take(capture, 1)
        fail.set()
        take(capture, 1)
        assert capture.status()["num_reconnects"] == 2


def test_picture_of_a_camera_that_cannot_be_converted_ends_nothing(monkeypatch):
    first, pixels = [ValueError("odd pixels")], pixels_of.to_rgb

    def to_rgb(picture):
        if first:
            raise first.pop()
        return pixels(picture)

    monkeypatch.setattr("live.camera.capture.to_rgb", to_rgb)
    come_back = threading.Event()
    cameras = itertools.repeat(0.0), [come_back, 0.0]
    with script(monkeypatch, *cameras) as capture:
        assert capture.next(PATIENCE) is None
        wait_for(lambda: capture.status()["state"] == "reconnecting")
        status = capture.status()
        assert status["last_error"] == "ValueError: odd pixels"
        come_back.set()
        wait_for(lambda: take(capture, 1)[0].number >= status["num_frames"])
        assert capture.status()["num_reconnects"] == 1


@pytest.mark.parametrize(
    ("num_whole", "pauses"), [(3, [0.5, 1, 2, 2, 2]), (30, [0.5] * 5)]
)
def test_pause_grows_only_without_pictures(monkeypatch, num_whole, pauses):
    waited = []
    lost = [0.0] * num_whole + [SourceLost("gone")]
    capture = script(monkeypatch, *[lost] * 5, [0.0])
    monkeypatch.setattr(capture._stopping, "wait", waited.append)
    with capture:
        wait_for(lambda: len(waited) == 5)
        assert waited == pauses


def test_mistake_is_raised_by_start(tmp_path):
    with pytest.raises(InputError, match="has no images"):
        Capture(tmp_path).start()


def test_fault_of_the_thread_reaches_the_caller(folder, monkeypatch):
    monkeypatch.setattr("live.camera.sources.read_image", lambda *_: 1 / 0)
    with Capture(folder) as capture, pytest.raises(ZeroDivisionError):
        capture.next(PATIENCE)


def test_newest_frame_wins(camera):
    with Capture(camera.url) as capture:
        first = take(capture, 1)[0]
        num_dropped = capture.status()["num_dropped"]
        wait_for(lambda: capture.status()["num_dropped"] > num_dropped + 5)
        later = take(capture, 1)[0]
        status = capture.status()
    assert later.number - first.number > 5
    assert later.captured_at > first.captured_at
    assert status["state"] == "running" and status["frames_per_s"] > 0
    with pytest.raises(EndOfSource):
        capture.next(1)
    assert capture.status()["state"] == "stopped"


@pytest.mark.parametrize("fault", ["garbage", "truncated", "broken"])
def test_damaged_jpegs_are_left_out_and_counted(camera, fault):
    with Capture(camera.url) as capture:
        take(capture, 5)
        setattr(camera, fault, 4)
        wait_for(lambda: take(capture, 1) and capture.status()["num_bad"])
        wait_for(lambda: getattr(camera, fault) == 0)
        take(capture, 20)


def test_noise_between_jpegs_is_survived(camera):
    with Capture(camera.url) as capture:
        take(capture, 5)
        camera.noise = 2
        wait_for(lambda: camera.noise == 0)
        take(capture, 20)


def test_new_size_is_handed_out_as_it_is(camera):
    with Capture(camera.url) as capture:
        assert take(capture, 3)[-1].image.shape == (*SIZE, 3)
        camera.size = (128, 360)
        wait_for(lambda: capture.next(PATIENCE).image.shape == (128, 360, 3))
        assert take(capture, 1)[0].image.shape == (128, 360, 3)
        assert capture.status()["size"] == [128, 360]


def test_stalled_camera_is_frozen_and_comes_back(camera):
    with Capture(camera.url, frozen_after=0.5) as capture:
        take(capture, 5)
        camera.stalled = True
        num_connections = camera.num_connections
        wait_for(lambda: camera.num_connections > num_connections)
        drain(capture)
        assert capture.status()["state"] in ("frozen", "reconnecting")
        assert capture.next(0.3) is None
        camera.stalled = False
        take(capture, 5)
        wait_for(lambda: capture.status()["state"] == "running")
        assert capture.status()["num_reconnects"] > 0


def test_same_picture_is_not_handed_out_as_new(camera, monkeypatch):
    losses, note_loss = [], Capture._note_loss

    def note(capture, state, text):
        losses.append(text)
        note_loss(capture, state, text)

    monkeypatch.setattr(Capture, "_note_loss", note)
    with Capture(camera.url, frozen_after=0.5) as capture:
        take(capture, 5)
        camera.still = True
        wait_for(lambda: capture.status()["state"] == "still")
        assert capture.next(1.5) is None
        assert losses.count("the same picture for 0.5 s") == 1, "restarted again"
        camera.still = False
        take(capture, 5)
        wait_for(lambda: capture.status()["state"] == "running")


def test_camera_that_comes_late_and_no_password_in_any_text():
    port = server.free_port()
    address = f"http://user:secret@127.0.0.1:{port}/camera.mjpg?key=secret"
    with Capture(address) as capture:
        wait_for(lambda: capture.status()["last_error"])
        status = capture.status()
        assert status["state"] == "reconnecting"
        assert status["last_error"] == "connection refused"
        assert "secret" not in str(status)
        with server.MjpegServer(size=SIZE, port=port):
            take(capture, 2)


def test_stop_does_not_wait_for_a_camera_that_hangs(camera):
    capture = Capture(camera.url, frozen_after=600).start()
    take(capture, 1)
    camera.stalled = True
    time.sleep(0.1)
    capture.stop()  # would hang for 600 s
    with pytest.raises(EndOfSource):
        capture.next(1)
