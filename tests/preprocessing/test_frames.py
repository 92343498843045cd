import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from goodparts.cli import main
from goodparts.command import InputError
from goodparts.files import natural_key
from preprocessing import frames
from preprocessing.frames import extract_frames, find_videos, is_near_duplicate
from preprocessing.images import read_image, write_image
from preprocessing.region import parse_roi

SIZE = (48, 64)  # height, width
RATE = 30


def moving(number):
    """A red frame with a white bar that moves 5 pixels from frame to frame."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[..., 0] = 230
    image[:, 5 * number % 60 :][:, :5] = 255
    return image


def write_video(path, images, *, times=None, codec="mpeg4"):
    """Times are in units of 1 / RATE seconds; one after the other if None."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.time_base = Fraction(1, RATE)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "line.mp4", [moving(number) for number in range(40)])


def numbers(folder):
    return [int(path.stem.rsplit("_")[-1]) for path in sorted(folder.glob("*.png"))]


def test_every_frame_in_order_and_red_stays_red(tmp_path, video, capsys):
    counts = extract_frames(video, tmp_path / "out")
    assert counts == (40, 40, 0, 40)
    names = [path.name for path in (tmp_path / "out/line").glob("*.png")]
    assert sorted(names, key=natural_key) == [f"line_{n:06d}.png" for n in range(40)]
    image = read_image(tmp_path / "out/line/line_000003.png")
    assert image.shape == (*SIZE, 3)
    red, green, blue = image[:, 30:].mean((0, 1))
    assert red > 200 and green < 60 and blue < 60
    assert (image[:, 16:19] > 200).all()  # the bar of frame 3
    assert "40 frames read, 0 near-duplicates left out, 40 images" in (
        capsys.readouterr().out
    )


def test_name_with_a_colon_is_no_protocol(tmp_path, video, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video.rename("12:30.mp4")
    assert extract_frames("12:30.mp4", "out").num_kept == 40
    with pytest.raises(InputError, match="-i file:13:30.mp4 -an file:13:30_repaired"):
        Path("13:30.mp4").write_bytes(b"no video")
        extract_frames("13:30.mp4", "out")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("rate, step", [(10, 3), (30, 1), (1000, 1), (15, 2)])
def test_rate(tmp_path, suffix, rate, step):
    """Also with Matroska, whose clock has whole milliseconds."""
    images = [moving(number) for number in range(40)]
    path = write_video(tmp_path / f"line{suffix}", images)
    counts = extract_frames(path, tmp_path / "out", rate=rate)
    assert numbers(tmp_path / "out/line") == list(range(0, 40, step))
    assert counts.num_read == 40 and counts.num_due == len(range(0, 40, step))


def test_rate_follows_time_stamps(tmp_path):
    """Ten frames a second, a gap of a second, then thirty a second."""
    times = [0, 3, 6, 9, 39, 40, 41, 42, 43, 44, 45]
    images = [moving(number) for number in range(len(times))]
    path = write_video(tmp_path / "line.mkv", images, times=times)
    extract_frames(path, tmp_path / "out", rate=10)
    assert numbers(tmp_path / "out/line") == [0, 1, 2, 3, 4, 7, 10]


def test_near_duplicates_are_judged_against_the_last_kept(tmp_path):
    """A slow change adds up; a noise of one grey level does not."""
    rng = np.random.default_rng(0)
    slow = [np.full((*SIZE, 3), 60 + 6 * (n // 2), np.uint8) for n in range(10)]
    images = [image + rng.integers(0, 2, image.shape, np.uint8) for image in slow]
    path = write_video(tmp_path / "slow.mp4", images)
    counts = extract_frames(path, tmp_path / "out")
    assert numbers(tmp_path / "out/slow") == [0, 8]
    assert counts == (10, 10, 8, 2)
    extract_frames(path, tmp_path / "all", keep_duplicates=True)
    assert numbers(tmp_path / "all/slow") == list(range(10))


def test_near_duplicate_rule():
    last = np.zeros((100, 100), np.uint8)
    grey = last.copy()
    assert not is_near_duplicate(grey, None)
    grey[0, :99] = 255  # 99 of 10,000 pixels
    assert is_near_duplicate(grey, last)
    grey[0, 99] = 20
    assert is_near_duplicate(grey, last)
    grey[0, 99] = 21
    assert not is_near_duplicate(grey, last)
    grey[0, 9:] = 0
    seen = np.zeros(last.shape, bool)
    seen[:10] = True  # 9 pixels of 1,000 are too few, of 900 enough
    assert is_near_duplicate(grey, last, seen)
    seen[9] = False
    assert not is_near_duplicate(grey, last, seen)


def test_region_at_another_resolution(tmp_path, video):
    mask = np.zeros((48, 40), bool)
    mask[:24] = True
    write_image(tmp_path / "mask.png", mask)
    extract_frames(
        video,
        tmp_path / "out",
        roi=parse_roi("40,0,40,48@128x96"),
        mask=tmp_path / "mask.png",
        keep_duplicates=True,
    )
    image = read_image(tmp_path / "out/line/line_000000.png")
    assert image.shape == (24, 20, 3)
    assert (image[:12, :, 0] > 200).all() and (image[12:] == 0).all()


def test_jpeg_mask_and_box_outside_are_refused(tmp_path, video):
    write_image(tmp_path / "mask.jpg", np.ones(SIZE, bool))
    with pytest.raises(InputError, match="line.mp4: .*mask.jpg is a JPEG"):
        extract_frames(video, tmp_path / "out", mask=tmp_path / "mask.jpg")
    with pytest.raises(InputError, match="line.mp4: .*the frame is 64x48"):
        extract_frames(video, tmp_path / "out", roi=parse_roi("60,0,10,10"))
    assert not list((tmp_path / "out").iterdir())


def test_phone_video_is_turned(tmp_path):
    """The display matrix of a phone held upright: 90 degrees clockwise."""
    image = moving(0)
    image[:, :20] = (0, 0, 230)  # blue on the left becomes blue on top
    path = write_video(tmp_path / "phone.mp4", [image] * 3)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    turned = struct.pack(">9i", 0, one, 0, -one, 0, 0, SIZE[0] * one, 0, 1 << 30)
    content[matrix : matrix + 36] = turned
    path.write_bytes(content)
    extract_frames(path, tmp_path / "out")
    image = read_image(tmp_path / "out/phone/phone_000000.png")
    assert image.shape == (64, 48, 3)
    assert image[:16, :, 2].min() > 200 and image[:16, :, 0].max() < 60
    assert image[24:, :, 0].min() > 200


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cut_off_video_is_refused_whole(tmp_path, suffix):
    images = [moving(number) for number in range(90)]
    path = write_video(tmp_path / f"line{suffix}", images)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        InputError, match="line.*(cannot be read|was truncated).*ffmpeg"
    ):
        extract_frames(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_no_video_in_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "nothing.mp4").touch()
    write_sound(tmp_path / "sound.mp4")
    cases = {
        "empty": "contains no videos",
        "text.mp4": "cannot be read as a video",
        "nothing.mp4": "cannot be read as a video",
        "sound.mp4": "contains no pictures",
        "missing.mp4": "There is no file or folder",
    }
    for name, text in cases.items():
        with pytest.raises(SystemExit) as stopped:
            main(["frames", str(tmp_path / name), "--out", str(tmp_path / "out")])
        error = capsys.readouterr().err
        assert stopped.value.code == 2 and error.count("\n") == 1
        assert name in error and text in error


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        samples = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_stopped_run_is_made_again_and_a_complete_one_kept(
    tmp_path, video, monkeypatch, capsys
):
    def stop_at_20(path, image):
        if path.stem.endswith("20"):
            raise KeyboardInterrupt
        write_image(path, image)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(frames, "write_image", stop_at_20)
        with pytest.raises(KeyboardInterrupt):
            extract_frames(video, out)
    (out / ".line.partial").mkdir()  # as a kill leaves it
    (out / ".line.partial/line_999999.png").touch()
    made = extract_frames(video, out)
    assert numbers(out / "line") == list(range(40))
    (out / "line/line_000000.png").unlink()  # sorted into a class folder, say
    capsys.readouterr()
    assert extract_frames(video, out) == made
    assert "up to date, 40 frames read" in capsys.readouterr().out
    assert numbers(out / "line") == list(range(1, 40))


def test_other_images_are_not_overwritten(tmp_path, video):
    extract_frames(video, tmp_path / "out")
    with pytest.raises(InputError, match="made with a different rate. Remove it"):
        extract_frames(video, tmp_path / "out", rate=5)
    (tmp_path / "out/line/.frames.json").unlink()
    with pytest.raises(InputError, match="not made by this command"):
        extract_frames(video, tmp_path / "out")


def test_finding_videos(tmp_path):
    for name in ("b.mp4", "a.GIF", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    found = find_videos([tmp_path])
    assert [path.name for path in found] == ["a.GIF", "b.mp4"]
    (tmp_path / "a.mkv").touch()
    with pytest.raises(InputError, match="a.GIF and .*a.mkv .* one at a time"):
        find_videos([tmp_path])
