import numpy as np
import pytest

from goodparts.command import InputError
from preprocessing.embedded_parts import render as synthetic
from preprocessing.embedded_parts.render import (
    CLASSES,
    VISIBLE,
    render_conveyor_clip,
    render_dataset,
    render_part,
)
from preprocessing.images import read_image, read_mask

DEFECT_CLASSES = CLASSES[1:]


def difference(image, other):
    return np.abs(image.astype(int) - other.astype(int)).max(axis=-1)


@pytest.mark.parametrize("label", CLASSES)
def test_same_arguments_same_pixels(label):
    image, mask = render_part(label, 5, size=96)
    again, mask_again = render_part(label, 5, size=96)
    other, _ = render_part(label, 6, size=96)
    assert image.dtype == np.uint8 and image.shape == (96, 96, 3)
    assert mask.dtype == bool and mask.shape == (96, 96)
    assert np.array_equal(image, again) and np.array_equal(mask, mask_again)
    assert not np.array_equal(image, other)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("label", DEFECT_CLASSES)
def test_mask_is_where_the_good_twin_differs(label, seed):
    image, mask = render_part(label, seed, size=128)
    twin, empty = render_part("good", seed, size=128)
    assert mask.any() and not empty.any()
    # Both pictures get the same noise, of at most 2.5 * sqrt(1.5) = 3.1 grey levels
    # deviation; its dependence on brightness moves a pixel by a few levels more.
    differs = difference(image, twin)
    assert (differs[~mask] <= VISIBLE + 4).all()
    assert (differs[mask] >= VISIBLE - 4).mean() > 0.98


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("size", [32, 65])
def test_small_sizes(label, size):
    for seed in range(8):
        image, mask = render_part(label, seed, size=size)
        assert image.shape == (size, size, 3)
        assert mask.any() == (label != "good")


def test_defects_are_smaller_by_name():
    areas = {
        label: np.median(
            [render_part(label, seed, size=96)[1].mean() for seed in range(9)]
        )
        for label in ("broken_large", "broken_small")
    }
    assert areas["broken_large"] > 4 * areas["broken_small"]


def test_part_looks_alike_in_every_size():
    small, _ = render_part("good", 3, size=64)
    large, _ = render_part("good", 3, size=256)
    shrunk = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 6


def test_wrong_arguments_are_named():
    with pytest.raises(InputError, match="broken_small.*'scratch'"):
        render_part("scratch", 0)
    with pytest.raises(InputError, match="size must be 32 or more. Received: 8"):
        render_part("good", 0, size=8)
    with pytest.raises(InputError, match="seed must be 0 or more"):
        render_part("good", -1)


def test_layout_and_counts(tmp_path):
    folder = render_dataset(tmp_path / "parts", num_images=23, size=32, seed=1)
    # 23 // 5 = 4 of each defect; 23 - 12 = 11 good, of which 3 * 11 // 4 = 8 train.
    counts = {
        str(path.relative_to(folder)): len(list(path.glob("*.png")))
        for path in folder.rglob("*")
        if path.is_dir() and path.name in CLASSES
    }
    defects = {f"test/{label}": 4 for label in DEFECT_CLASSES}
    masks = {f"ground_truth/{label}": 4 for label in DEFECT_CLASSES}
    assert counts == {"train/good": 8, "test/good": 3} | defects | masks
    images = {read_image(path).tobytes() for path in folder.glob("t*/*/*.png")}
    assert len(images) == 23  # each another part
    for path in folder.glob("test/broken_*/*.png"):
        name = f"{path.stem}_mask.png"
        mask = read_mask(folder / "ground_truth" / path.parent.name / name)
        assert mask.shape == (32, 32) and mask.any()


def test_same_dataset_is_kept_and_another_replaces_it(tmp_path):
    folder = render_dataset(tmp_path / "parts", num_images=10, size=32)
    mark = folder / "mark.txt"
    mark.write_text("still here")
    render_dataset(folder, num_images=10, size=32)
    assert mark.exists()
    render_dataset(folder, num_images=10, size=32, seed=1)
    assert not mark.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_interrupted_dataset_leaves_nothing(tmp_path, monkeypatch):
    write, written = synthetic.write_image, []

    def write_until_stopped(path, image):
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(path)
        write(path, image)

    monkeypatch.setattr(synthetic, "write_image", write_until_stopped)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path / "parts", num_images=10, size=32)
    assert len(written) == 4
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_do_not_get_in(tmp_path):
    leftover = tmp_path / ".parts.partial" / "train" / "good"
    leftover.mkdir(parents=True)
    (leftover / "999.png").write_bytes(b"half")
    folder = render_dataset(tmp_path / "parts", num_images=10, size=32)
    assert not (folder / "train" / "good" / "999.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_folder_of_others_is_not_touched(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"sea")
    with pytest.raises(InputError, match="was not rendered by this program"):
        render_dataset(tmp_path, num_images=10, size=32)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"sea"


def test_clip_events_agree_with_faults_and_pixels():
    options = {"num_frames": 100, "size": (72, 120)}
    clip = render_conveyor_clip(2, fault_parts=(2, 3), **options)
    good = render_conveyor_clip(2, fault_parts=(), **options)
    assert clip.frames.dtype == np.uint8 and clip.frames.shape == (100, 72, 120, 3)
    assert not good.faults.any() and good.events == []
    expected = np.zeros(100, bool)
    for event in clip.events:
        assert event.label in DEFECT_CLASSES
        expected[event.first_frame : event.last_frame + 1] = True
    assert np.array_equal(clip.faults, expected)
    first, second = clip.events
    assert 0 < first.first_frame < second.first_frame < first.last_frame
    assert second.last_frame < 99
    # Both take as many frames from edge to edge: the speed is constant.
    lengths = [event.last_frame - event.first_frame for event in clip.events]
    assert abs(lengths[0] - lengths[1]) <= 1
    # The clips differ only by the defects, each within a part's radius, at most
    # 0.9 * 61 / 2 = 28 pixels, of its part's centre: within a step of 0.025 * 120 = 3
    # of the right edge when the first part comes into view, and of the left edge when
    # the second one leaves it.
    altered = difference(clip.frames, good.frames) > VISIBLE
    middle = (first.first_frame + first.last_frame) // 2
    assert altered[middle].any()
    assert not altered[first.first_frame][:, : 119 - 31].any()
    assert not altered[second.last_frame][:, 32:].any()


def test_clip_moves_at_constant_speed():
    clip = render_conveyor_clip(2, num_frames=60, size=(72, 120), fault_parts=(0,))
    again = render_conveyor_clip(2, num_frames=60, size=(72, 120), fault_parts=(0,))
    assert np.array_equal(clip.frames, again.frames)
    grey = clip.frames[:, 30:42].mean(axis=(1, 3))
    grey -= grey.mean(axis=1, keepdims=True)

    def shift(first, second):
        """By how many pixels the belt went to the left between two frames."""
        scores = [(grey[first, s:] * grey[second, : 120 - s]).mean() for s in range(40)]
        return int(np.argmax(scores))

    shifts = [shift(first, first + 8) for first in range(0, 50, 10)]
    assert max(shifts) - min(shifts) <= 1 and min(shifts) >= 8 * 0.015 * 120 - 1


def test_clip_refuses_a_fault_that_never_passes():
    with pytest.raises(InputError, match="Received: 50. Render more frames"):
        render_conveyor_clip(0, num_frames=5, size=(64, 96), fault_parts=(50,))
