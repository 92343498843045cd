"""Faults of a real RTSP camera on loopback; needs gst-rtsp-server of the system."""

import time

import pytest
import stream_server as server

from live.camera.capture import Capture
from live.camera.lost_frames import FrameNumbers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(server.why_no_rtsp()), reason=str(server.why_no_rtsp())),
]
PATIENCE = 60


@pytest.fixture
def camera():
    with server.RtspServer() as camera:
        yield camera


def take(capture, count):
    """The next frames; each is checked to be a whole picture, newer than the last."""
    frames, last = [], None
    while len(frames) < count:
        frame = capture.next(PATIENCE)
        assert frame is not None, capture.status()
        code = server.read_code(frame.image)
        assert code is not None, "not a whole picture"
        assert last is None or 0 < (code - last) % 2**server.BITS < 2**31, "stale"
        frames, last = [*frames, frame], code
    return frames


def drain(capture):
    while capture.next(0.5):
        pass


def recovery(capture, what):
    """Prints the seconds from now to the next whole frame."""
    since = time.monotonic()
    while True:
        frame = take(capture, 1)[0]
        if server.age_of(server.read_code(frame.image), frame.captured_at) < 60:
            break
    print(f"{what}: {time.monotonic() - since:.1f} s")


def test_killed_and_restarted_with_another_size(camera):
    with Capture(camera.url) as capture:
        take(capture, 30)
        camera.kill()
        drain(capture)
        assert capture.status()["state"] == "reconnecting"
        time.sleep(3)
        camera.size = (240, 432)
        camera.start()
        recovery(capture, "restarted after 3 s")
        assert take(capture, 30)[-1].image.shape == (240, 432, 3)
        assert capture.status()["num_reconnects"] > 0


def test_frozen_process_gives_no_frame_and_recovers(camera):
    with Capture(camera.url, frozen_after=2) as capture:
        take(capture, 30)
        camera.freeze()
        drain(capture)
        assert capture.next(8) is None
        assert capture.status()["state"] in ("frozen", "reconnecting")
        camera.thaw()
        recovery(capture, "thawed")
        take(capture, 30)


def test_cut_connections(camera):
    wire = server.FaultyWire(camera.port)
    with Capture(camera.url.replace(str(camera.port), str(wire.port))) as capture:
        take(capture, 30)
        for _ in range(3):
            wire.cut()
            drain(capture)
            recovery(capture, "cut, 0.5 s later")
            take(capture, 10)
    wire.close()


def test_slow_decoder_gives_no_old_picture(camera, monkeypatch):
    slow = time.sleep
    monkeypatch.setattr(FrameNumbers, "is_gap", lambda *packet: slow(1 / 16))
    with Capture(camera.url) as capture:
        frames = []
        while capture.status()["num_reconnects"] < 2:
            frames += take(capture, 1)
            drawn = server.read_code(frames[-1].image)
            assert server.age_of(drawn, frames[-1].captured_at) < 1, "older than told"
        assert "s behind the camera" in capture.status()["last_error"]
        assert capture.status()["num_dropped"] > 0


@pytest.mark.parametrize("fault", ["lose", "corrupt"])
def test_no_picture_of_a_bad_wire_is_torn(camera, fault):
    wire = server.FaultyWire(camera.port)
    with Capture(camera.url.replace(str(camera.port), str(wire.port))) as capture:
        take(capture, 10)
        setattr(wire, fault, 0.05)
        frames = take(capture, 200)
        status = capture.status()
        assert wire.num_faults > 5 and status["num_bad"] > 0
        setattr(wire, fault, 0.0)
        take(capture, 60)
    print(fault, wire.num_faults, "faults:", status, frames[-1].number)
    wire.close()


def test_no_picture_of_h265_is_torn():
    with server.RtspServer(rate=20, codec="h265") as camera:
        wire = server.FaultyWire(camera.port)
        with Capture(camera.url.replace(str(camera.port), str(wire.port))) as capture:
            take(capture, 10)
            wire.lose = 0.01
            take(capture, 40)
            assert wire.num_faults > 3 and capture.status()["num_bad"] > 0
            wire.lose = 0.0
            take(capture, 40)
        wire.close()


def test_camera_of_a_codec_that_hides_damage_is_refused():
    with server.RtspServer(codec="mpeg4") as camera, Capture(camera.url) as capture:
        until = time.monotonic() + PATIENCE
        while not capture.status()["last_error"] and time.monotonic() < until:
            assert capture.next(0.1) is None
        assert "sends mpeg4, in which damaged" in capture.status()["last_error"]


def test_camera_that_breaks_its_key_frames_is_not_believed():
    """Parameter sets between the slices of one picture: decoders show half of it."""
    with server.RtspServer(codec="h264 split") as camera:
        with Capture(camera.url, frozen_after=2) as capture:
            assert capture.next(8) is None
            assert capture.status()["num_bad"] > 0
            assert "damaged" in capture.status()["last_error"] or (
                capture.status()["state"] in ("frozen", "reconnecting")
            )


def test_video_file_in_a_loop(camera, tmp_path):
    import numpy as np

    from preprocessing.images import write_image

    for number in range(10):
        write_image(tmp_path / f"{number:04d}.png", server.draw(number))
    with server.RtspServer(tmp_path) as films, Capture(films.url) as capture:
        frames = [capture.next(PATIENCE) for _ in range(30)]
        codes = [server.read_code(frame.image) for frame in frames]
        assert set(codes) <= set(range(10)) and len(set(codes)) == 10
        assert np.array_equal(frames[0].image.shape, (*server.SIZE, 3))
