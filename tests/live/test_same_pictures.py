"""A video file gives the same pictures to training and to the live inspection."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from live.camera.pixels import to_rgb
from live.camera.sources import open_source
from preprocessing import video_file
from preprocessing.video_file import read_frames

SIZE = (96, 160)
RED = (200, 40, 0)


def picture(number, size=SIZE, colour=RED):
    image = np.full((*size, 3), colour, np.uint8)
    image[:, 16 * (number % 8) :][:, :16] = 255
    return image


def number_of(image):
    return int(image[8, 8::16].min(axis=-1).argmax())


def add_track(container, codec="libx264", size=SIZE, **options):
    stream = container.add_stream(codec, rate=30, options=options)
    stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 30)
    stream.codec_context.thread_count = 1
    return stream


def packets_of(stream, images, colorspace=Colorspace.ITU601):
    packets = []
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace=colorspace,
            dst_color_range=ColorRange.MPEG,
        )
        frame.colorspace = video_file.UNTAGGED
        frame.pts, frame.time_base = number, Fraction(1, 30)
        packets += stream.encode(frame)
    return packets + stream.encode()


def _is_cover(track):
    return bool(track.disposition & av.stream.Disposition.attached_pic)


def both(path):
    """The pictures of the file, which both readers agree on in every byte."""
    trained = [video_file.to_rgb(frame) for _, frame in read_frames(path)]
    received = list(open_source(path).receive())
    assert sum(one.num_bad for one in received) == 0, received
    live = [to_rgb(one.picture.pixels) for one in received if one.picture]
    assert len(live) == len(trained)
    assert all(map(np.array_equal, live, trained))
    return live


@pytest.mark.parametrize("bf", ["0", "2"])
def test_what_an_edit_list_cuts_off_is_not_shown(tmp_path, bf):
    """As `ffmpeg -ss 0.4 -c copy` cuts: the key frame lies before the beginning."""
    path = tmp_path / "cut.mp4"
    with av.open(path, "w") as container:
        stream = add_track(container, g="60", bf=bf, **{"x264-params": "scenecut=0"})
        for packet in packets_of(stream, map(picture, range(40))):
            packet.pts, packet.dts = packet.pts - 12, packet.dts - 12
            container.mux(packet)
    with av.open(path) as container:
        assert sum(p.is_keyframe for p in container.demux(video=0) if p.size) == 1
    images = both(path)
    assert [number_of(image) for image in images] == [n % 8 for n in range(12, 40)]


def test_cover_picture_is_not_the_video(tmp_path):
    path = tmp_path / "line.mp4"
    with av.open(path, "w") as container:
        cover = add_track(container, "mjpeg", (240, 320), strict="-1")
        cover.disposition = av.stream.Disposition.attached_pic
        stream = add_track(container)
        for packet in packets_of(stream, map(picture, range(20))):
            container.mux(packet)
        container.mux(packets_of(cover, [picture(0, (240, 320))]))
    with av.open(path) as container:
        covers = [track.name for track in container.streams.video if _is_cover(track)]
    assert covers == ["mjpeg"]
    assert [number_of(image) for image in both(path)] == [n % 8 for n in range(20)]
    assert open_source(path).note is None


def test_the_default_of_several_tracks_is_read_and_named(tmp_path, capsys):
    path = tmp_path / "line.mkv"
    with av.open(path, "w") as container:
        tracks = [add_track(container, size=size) for size in ((64, 160), SIZE)]
        tracks[0].disposition = 0
        tracks[1].disposition = av.stream.Disposition.default
        for stream, size in zip(tracks, ((64, 160), SIZE), strict=True):
            container.mux(packets_of(stream, [picture(n, size) for n in range(9)]))
    assert both(path)[0].shape == (*SIZE, 3)
    note = "2 video tracks; track 2 is read (h264, 160x96)."
    assert open_source(path).note == note
    assert f"{path}: {note}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "colorspace"),
    [
        ((720, 1280), Colorspace.ITU709),
        ((578, 320), Colorspace.ITU709),
        ((576, 320), Colorspace.ITU601),
    ],
)
def test_untagged_colours_are_those_that_players_show(tmp_path, size, colorspace):
    path = tmp_path / "line.mp4"
    with av.open(path, "w") as container:
        stream = add_track(container, size=size, qp="1")
        container.mux(packets_of(stream, [picture(0, size)] * 2, colorspace))
    with av.open(path) as container:
        tags = {frame.colorspace for frame in container.decode(video=0)}
    assert tags == {video_file.UNTAGGED}
    shown = both(path)[0][:, 32:].reshape(-1, 3).mean(axis=0)
    assert np.abs(shown - RED).max() < 4


def test_tagged_colours_are_believed(tmp_path):
    path = tmp_path / "line.mp4"
    with av.open(path, "w") as container:
        stream = add_track(container, qp="1")
        stream.codec_context.colorspace = Colorspace.ITU709
        container.mux(packets_of(stream, [picture(0)] * 2, Colorspace.ITU709))
    shown = both(path)[0][:, 32:].reshape(-1, 3).mean(axis=0)
    assert np.abs(shown - RED).max() < 4


def test_turned_video_stands_upright(tmp_path):
    path = tmp_path / "phone.mp4"
    with av.open(path, "w") as container:
        stream = add_track(container)
        container.mux(packets_of(stream, map(picture, range(3))))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, SIZE[0] * one, 0, 1 << 30)
    content[matrix : matrix + 36] = turned
    path.write_bytes(content)
    images = both(path)
    assert images[0].shape == (SIZE[1], SIZE[0], 3)
    assert images[1][20].min() > 200 and images[1][4, :, 2].max() < 60
