import contextlib
import http.server
import os
import random
import shutil
import subprocess
import threading
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import stream_server as server
from PIL import Image

from deployment.predict import find_images
from goodparts.command import InputError
from live.camera.addresses import camera_url, without_secrets
from live.camera.lost_frames import FrameNumbers, StreamClock
from live.camera.pixels import is_same_picture, to_rgb
from live.camera.received import SourceLost
from live.camera.sources import open_source
from preprocessing.images import write_image

SIZE = (96, 288)
NUMBERS = [17 * number for number in range(60)]


def encode(numbers, *, codec="libx264", **options):
    """Packets, one for a picture; of H.264 in Annex B form."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 30)
    encoder.options = {"tune": "zerolatency", "g": "15", "threads": "2"} | options
    packets = []
    for time, number in enumerate(numbers):
        frame = av.VideoFrame.from_ndarray(server.draw(number, SIZE), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = time
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets + encoder.encode(None)]


@pytest.fixture(scope="module")
def packets():
    return encode(NUMBERS)


def read(text):
    """Images and the number of damaged frames of a source."""
    images, num_bad = [], 0
    for received in open_source(text).receive():
        num_bad += received.num_bad
        if received.picture:
            images.append(to_rgb(received.picture.pixels))
    return images, num_bad


def test_video_gives_every_frame_in_rgb(tmp_path, packets):
    (tmp_path / "line:1.h264").write_bytes(b"".join(packets))
    images, num_bad = read(tmp_path / "line:1.h264")
    assert [server.read_code(image) for image in images] == NUMBERS
    assert num_bad == 0
    assert images[0].dtype == np.uint8 and images[0].flags.c_contiguous


def test_folder_gives_every_image_in_natural_order(tmp_path):
    for number in (10, 9, 100, 1):
        write_image(tmp_path / f"part {number}.png", server.draw(number, SIZE))
    (tmp_path / "part 20.png").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("not one of them")
    os.mkfifo(tmp_path / "pipe.png")  # would be waited for without end
    (tmp_path / "more").mkdir()
    images, num_bad = read(tmp_path)
    assert [server.read_code(image) for image in images] == [1, 9, 10, 100]
    assert num_bad == 1
    assert open_source(tmp_path).left_out == {
        "files .txt": 1,
        "folders": 1,
        "pipes, sockets or devices": 1,
    }


@pytest.mark.parametrize("suffix", [".jfif", ".gif", ".avif"])
def test_folder_and_predict_read_the_same_suffixes(tmp_path, suffix):
    form = "JPEG" if suffix == ".jfif" else None
    pixels = np.full((8, 8, 3), 90, np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"1{suffix}", format=form)
    (tmp_path / "notes.txt").write_text("no image")

    images, num_bad = read(tmp_path)

    assert num_bad == 0 and [image.shape for image in images] == [(8, 8, 3)]
    assert [path.name for path in find_images([tmp_path])] == [f"1{suffix}"]


def test_mistakes_are_told_at_once(tmp_path):
    (tmp_path / "notes.mp4").write_text("not a video")
    for text, words in [
        (tmp_path, "has no images"),
        (tmp_path / "none.mp4", "no file or folder"),
        (tmp_path / "notes.mp4", "cannot be read as a video"),
        ("ftp://camera/video", "not a camera address"),
        ("rtsp://", "not a camera address"),
        ("rtsp://[camera/video", "not a camera address"),
    ]:
        with pytest.raises(InputError, match=words):
            open_source(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:secret@camera:554/a", "rtsp://camera:554/a"),
        ("rtsp://user:sec@ret@camera/a", "rtsp://camera/a"),
        ("http://camera/a?user=me&pwd=secret", "http://camera/a?..."),
        ("ftp://me:secret@camera", "ftp://camera"),
        ("rtsp://user:se/cr?e#t@camera/a", "rtsp://camera/a"),
        (
            "rtsp://cam/user=me_password=secret_ch=1.sdp",
            "rtsp://cam/user=me_password=...",
        ),
        ("rtsp://camera/PWD=secret&channel=1", "rtsp://camera/PWD=...&channel=1"),
        (
            "say --passwd=secret http://me:secret@a/b x@y",
            "say --passwd=... http://a/b x@y",
        ),
        ("videos/a@b?c.mp4", "videos/a@b?c.mp4"),
    ],
)
def test_no_secret_is_shown(text, shown):
    assert without_secrets(text) == shown


def test_a_blank_in_a_password_is_written_and_shows_nothing():
    url = camera_url("rtsp://admin:my secretpw@127.0.0.1:9/line", "")
    assert url == "rtsp://admin:my%20secretpw@127.0.0.1:9/line"
    opened = open_source("rtsp://admin:my secretpw@127.0.0.1:9/line")
    assert opened.name == "rtsp://127.0.0.1:9/line"
    with pytest.raises(InputError) as error:
        open_source("rtsp://admin:my secretpw@127.0.0.1:9/line", follow=True)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["ftp://user:secret@camera/video", "ftp://user:my secret@camera/video"]
)
def test_no_secret_in_an_error(text):
    with pytest.raises(InputError) as error:
        open_source(text)
    assert "secret" not in str(error.value) and "user" not in str(error.value)


def one_slice_less(packet, random):
    units = packet.split(b"\0\0\1")
    slices = [at for at, unit in enumerate(units) if unit and unit[0] & 31 in (1, 5)]
    units.pop(random.choice(slices))
    return b"\0\0\1".join(units)


def cut_short(packet, random):
    return packet[: random.randrange(len(packet) // 2, len(packet) - 4)]


@pytest.mark.parametrize("damage", [one_slice_less, cut_short])
def test_no_damaged_picture_is_handed_on(tmp_path, packets, damage):
    chance = random.Random(0)
    damaged = [
        damage(packet, chance) if chance.random() < 0.1 else packet
        for packet in packets
    ]
    (tmp_path / "video.h264").write_bytes(b"".join(damaged))
    images, num_bad = read(tmp_path / "video.h264")
    numbers = [server.read_code(image) for image in images]
    assert set(numbers) <= set(NUMBERS)
    assert num_bad > 0 and len(numbers) > 10


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"profile": "baseline"},
        {"tune": "film", "bf": "2"},
        {"tune": "film", "bf": "3", "b-pyramid": "normal", "refs": "4"},
        {"g": "250", "x264-params": "cqm=jvt"},
    ],
)
def test_a_lost_frame_is_told_by_its_number(options):
    packets = encode(NUMBERS, **options)
    whole = FrameNumbers(None)
    assert not any([whole.is_gap(packet) for packet in packets])
    lost = next(at for at in range(8, 60) if is_referred(packets[at]))
    gaps = FrameNumbers(None)
    kept = packets[:lost] + packets[lost + 1 :]
    assert [at for at, packet in enumerate(kept) if gaps.is_gap(packet)] == [lost]


def is_referred(packet):
    """Whether other frames build on this one."""
    return any(unit[:1] and unit[0] >> 5 & 3 for unit in packet.split(b"\0\0\1"))


@pytest.mark.parametrize("suffix", ["mp4", "h264"])
def test_no_picture_after_a_lost_frame_is_handed_on(tmp_path, packets, suffix):
    path = tmp_path / f"video.{suffix}"
    write_video(
        path, [packet for at, packet in enumerate(packets) if at not in (8, 40)]
    )
    images, num_bad = read(path)
    expected = [*range(8), *range(15, 40), *range(45, 60)]
    assert [server.read_code(image) for image in images] == [
        NUMBERS[at] for at in expected
    ]
    assert num_bad == 58 - len(expected)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "h264"])
def test_truncated_video_is_told(tmp_path, packets, suffix):
    path = tmp_path / f"video.{suffix}"
    write_video(path, packets, **{"movflags": "+faststart"} if suffix == "mp4" else {})
    assert read(path)[1] == 0
    path.write_bytes(path.read_bytes()[:-2500])
    problems = [received.problem for received in open_source(path).receive()]
    assert str(path) in [problem for problem in problems if problem][-1]
    images, num_bad = read(path)
    assert 0 < len(images) < 60 and num_bad > 0


def write_video(path, packets, *, raw_suffix="h264", **options):
    """Puts packets in a file of any form, as they are."""
    raw = path.with_name(f"raw.{raw_suffix}")
    raw.write_bytes(b"".join(packets))
    with av.open(raw) as source, av.open(path, "w", options=options) as file:
        stream = file.add_stream_from_template(source.streams.video[0])
        for time, packet in enumerate(source.demux()):
            if packet.size:
                packet.stream, packet.time_base = stream, Fraction(1, 30)
                packet.pts = packet.dts = time
                file.mux(packet)


def test_padding_is_no_part_of_a_picture():
    image = np.random.default_rng(0).integers(0, 255, (30, 50, 3), dtype=np.uint8)
    for form in ("yuv420p", "rgb24", "nv12", "gray", "yuv420p10le"):
        first, second = (
            av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                width=98, height=30, format=form
            )
            for _ in range(2)
        )
        for one, other in zip(first.planes, second.planes, strict=True):
            # swscale does not make the same of the same every time
            np.frombuffer(other, np.uint8)[:] = np.frombuffer(one, np.uint8)
        plane = second.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
        used = 98 * {"rgb24": 3, "yuv420p10le": 2}.get(form, 1)
        assert rows.shape[1] > used
        rows.setflags(write=True) if not rows.flags.writeable else None
        rows[:, used:] ^= 255
        assert is_same_picture(first, second), form
        rows[-1, used - 1] ^= 1
        assert not is_same_picture(first, second), form


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg of the system")
def test_video_filmed_on_its_side_is_turned_as_ffmpeg_turns_it(tmp_path, packets):
    plain, turned, true = (
        tmp_path / name for name in ("a.h264", "turned.mp4", "true.png")
    )
    plain.write_bytes(b"".join(packets))
    convert = ["ffmpeg", "-loglevel", "error", "-i"]
    upright = tmp_path / "upright.mp4"
    subprocess.run([*convert, plain, "-c", "copy", upright], check=True)
    mark = [*convert, upright, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned]
    if subprocess.run(mark, capture_output=True).returncode:
        pytest.skip("this ffmpeg cannot mark a video as turned")
    subprocess.run([*convert, turned, "-frames:v", "1", true], check=True)
    image = read(turned)[0][0]
    expected = cv2.imread(str(true))[..., ::-1]
    assert image.shape == expected.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(image.astype(int) - expected).mean() < 5


class Device:
    """In the place of `cv2.VideoCapture`: number 0 gives two pictures in BGR."""

    def __init__(self, number):
        self.left = 2 if number == 0 else None

    def isOpened(self):  # noqa: N802
        return self.left is not None

    def set(self, *setting):
        pass

    def read(self):
        self.left -= 1
        return self.left >= 0, np.ascontiguousarray(server.draw(5, SIZE)[..., ::-1])

    def release(self):
        pass


def test_device_gives_rgb_and_is_lost_when_it_stops(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Device)
    received = open_source("0").receive()
    assert next(received).picture is None  # connected
    for _ in range(2):
        assert server.read_code(to_rgb(next(received).picture.pixels)) == 5
    with pytest.raises(SourceLost, match="no picture"):
        next(received)
    with pytest.raises(SourceLost, match="no camera with the number 7"):
        next(open_source("7").receive())


@contextlib.contextmanager
def web_server(folder):
    """The address of files that are given as a camera gives a stream."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *request):
            super().__init__(*request, directory=folder)

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


@pytest.mark.parametrize(
    ("codec", "suffix", "words"),
    [
        ("mpeg4", "m4v", "sends mpeg4, .* set it to H.264, H.265 or MJPEG"),
        ("mpeg2video", "m2v", "sends mpeg2video"),
        ("libx264", "h264", "ended the stream"),
    ],
)
def test_camera_whose_damage_is_not_seen_is_refused(tmp_path, codec, suffix, words):
    options = {} if codec == "libx264" else {"tune": "", "threads": "1"}
    packets = encode(NUMBERS, codec=codec, **options)
    write_video(tmp_path / "camera.ts", packets, raw_suffix=suffix)
    pictures = []
    with web_server(tmp_path) as address, pytest.raises(SourceLost, match=words):
        for received in open_source(f"{address}/camera.ts").receive():
            pictures += [received.picture] if received.picture else []
    assert len(pictures) == (60 if codec == "libx264" else 0)


def clocked(*pictures):
    """How long each of the pictures `(arrival, media time)` waited, in seconds."""
    clock = StreamClock()
    return [round(at - clock.captured_at(at, media), 2) for at, media in pictures]


def test_picture_is_as_old_as_it_waited_to_be_read():
    slow = clocked(*((100 + second / 16, second / 30) for second in range(160)))
    assert slow[0] == 0 and slow[-1] == pytest.approx(159 / 16 - 159 / 30, abs=0.03)
    stalled = clocked((10, 0), (10.1, 0.1), (13.2, 0.2), (13.2, 3.1), (13.3, 3.3))
    assert stalled == pytest.approx([0, 0, 3, 0.1, 0], abs=0.02)


def test_burst_of_the_beginning_is_not_held_against_what_follows():
    assert clocked((10, 0), (10, 0.5), (10, 1), (10.5, 1.5), (11.5, 2)) == [
        *(0, 0, 0, 0),
        0.5,
    ]


def test_clock_that_is_set_or_wrong_or_missing_is_survived():
    assert clocked((10, 50), (11, 51), (12, 5), (13, 6), (14.5, 7)) == [0] * 4 + [0.5]
    assert clocked((10, 5), (11, 6), (12, 3600), (13, 3601)) == [0] * 4
    assert clocked((10, None), (11, None), (12, 7), (13, None)) == [0] * 4
    assert clocked((10, 5), (12, 6), (12, None)) == [0, 1, 1]
    days = clocked(*((second * 1.001, second) for second in range(0, 200_000, 10)))
    assert max(days) < 0.05


def test_invented_times_of_jpegs_over_http_make_no_picture_old():
    num_pictures = 0
    with server.MjpegServer(size=SIZE, rate=10) as camera:
        for received in open_source(camera.url).receive():
            if picture := received.picture:
                drawn = server.read_code(to_rgb(picture.pixels))
                assert server.age_of(drawn, picture.captured_at) < 60, "before drawing"
                num_pictures += 1
                if num_pictures > 10:
                    break
                assert picture.media_time is None, "invented"
