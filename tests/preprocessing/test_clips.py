from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.clips import clip_windows, name_clips
from preprocessing.create_folders import create_folders
from preprocessing.images import write_image


def names(*sources):
    return [tuple(row) for row in name_clips(sources).to_numpy()]


def table(*frames):
    return pd.DataFrame(frames, columns=["clip", "frame"])


@pytest.mark.parametrize(
    ("source", "clip", "frame"),
    [
        ("good/line_000123.png", "good/line", "123"),
        ("good/line-0.png", "good/line", "0"),
        ("good/cam 2/shift 3_17.JPG", "good/cam 2/shift 3", "17"),
        ("good/7.png", "good", "7"),
        ("good/_7.png", "good", "7"),
        ("7.png", ".", "7"),
        ("line.0007.tiff", "line", "7"),
        ("good/line_7_left.png", "good/line__left", "7"),
        ("good/img (12).png", "good/img ()", "12"),
        ("./copy of good/3.png", "copy of good", "3"),
        ("good/20240131235959123456.png", "", ""),  # beyond 64 bits: no frame number
        ("good3/overview.png", "", ""),
        ("good/m².png", "", ""),
    ],
)
def test_the_last_number_of_a_name_is_the_frame(source, clip, frame):
    assert names(source) == [(clip, frame)]


def test_two_files_of_one_frame_are_stills():
    found = names("a/l_1.png", "a/l_2.png", "a/l_02.png", "b/l_2.png", "a/l_3.jpg")
    assert found == [("a/l", "1"), ("", ""), ("", ""), ("b/l", "2"), ("a/l", "3")]
    assert names() == []


def test_windows_go_by_number_and_repeat_the_first():
    rows = table(("a", "9"), ("a", "11"), ("b", "10"), ("a", "10"), ("", ""))
    assert clip_windows(rows, 3).tolist() == [
        [0, 0, 0],
        [0, 3, 1],
        [2, 2, 2],
        [0, 0, 3],
        [4, 4, 4],
    ]
    assert clip_windows(rows, 1).tolist() == [[0], [1], [2], [3], [4]]


def test_a_large_step_begins_anew_and_a_small_one_does_not():
    rows = table(("a", "0"), ("a", "10"), ("a", "21"), ("a", "22"))
    assert clip_windows(rows, 2).tolist() == [[0, 0], [0, 1], [2, 2], [2, 3]]
    assert clip_windows(rows, 2, max_step=11)[2].tolist() == [1, 2]
    assert clip_windows(rows, 2, max_step=9)[1].tolist() == [1, 1]


def test_rows_may_have_any_index_and_may_be_none():
    rows = table(("a", "2"), ("", ""), ("a", "1"))
    rows.index = [7, 7, 3]
    assert clip_windows(rows, 2).tolist() == [[2, 0], [1, 1], [2, 2]]
    assert clip_windows(rows[:0], 4).shape == (0, 4)
    with pytest.raises(ValueError, match="num_frames must be 1 or more. Received: 0"):
        clip_windows(rows, 0)


def slow_windows(rows, num_frames, max_step):
    """One row after the other, as the words say it."""
    clips, frames = rows["clip"].tolist(), rows["frame"].tolist()
    windows = []
    for position, clip in enumerate(clips):
        window = [position]
        while clip and len(window) < num_frames:
            last = int(frames[window[0]])
            earlier = [
                other
                for other in range(len(rows))
                if clips[other] == clip and int(frames[other]) < last
            ]
            if not earlier:
                break
            nearest = max(earlier, key=lambda other: int(frames[other]))
            if last - int(frames[nearest]) > max_step:
                break
            window.insert(0, nearest)
        windows.append([window[0]] * (num_frames - len(window)) + window)
    return windows


numbered = st.tuples(st.sampled_from(["a", "b", "c/a"]), st.integers(0, 60).map(str))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(numbered, max_size=30, unique=True),
    st.integers(0, 4),
    st.integers(1, 6),
    st.integers(1, 12),
    st.randoms(),
)
def test_windows_are_those_of_the_slow_way(frames, stills, num_frames, step, random):
    frames = frames + [("", "")] * stills
    random.shuffle(frames)
    rows = table(*frames)
    found = clip_windows(rows, num_frames, max_step=step)
    assert found.tolist() == slow_windows(rows, num_frames, step)


@pytest.fixture
def film(tmp_path):
    """Two classes of a line, 60 numbered frames each with a gap, and one still."""
    random = np.random.default_rng(0)
    for label in ("bad", "good"):
        for number in (*range(1, 31), *range(81, 111)):
            image = random.integers(0, 255, (16, 16, 3), np.uint8)
            write_image(tmp_path / f"film/{label}/line_{number:04d}.png", image)
    image = random.integers(0, 255, (16, 16, 3), np.uint8)
    write_image(tmp_path / "film/good/overview.png", image)
    return tmp_path / "film"


@pytest.mark.parametrize("grouping", ["blocks", "chronological"])
def test_frames_of_recordings_get_their_clip_and_true_number(grouping, film, tmp_path):
    dataset, _ = create_folders(film, out=tmp_path / "d", grouping=grouping, block=3)
    rows = dataset.manifest
    stems = rows["source"].map(lambda source: Path(source).stem)
    is_still = stems == "overview"
    assert (rows[is_still][["clip", "frame"]] == "").all(axis=None)
    frames = rows[~is_still]
    assert (frames["clip"] == frames["label"] + "/line").all()
    numbers = stems[~is_still].str.removeprefix("line_").astype(int)
    assert (frames["frame"].astype(int) == numbers).all()
    train = dataset.rows("train")
    windows = clip_windows(train, 2)
    before, own = (train["frame"].to_numpy()[windows[:, side]] for side in (0, 1))
    named = own != ""
    steps = own[named].astype(int) - before[named].astype(int)
    assert set(steps) <= set(range(11)) and (steps > 0).sum() > len(train) / 2


@pytest.mark.parametrize("grouping", ["near_duplicates", "none"])
def test_other_groupings_know_no_clips(grouping, film, tmp_path):
    dataset, _ = create_folders(film, out=tmp_path / "d", grouping=grouping)
    assert (dataset.manifest[["clip", "frame"]] == "").all(axis=None)


def test_splits_do_not_depend_on_the_true_numbers(film, tmp_path):
    """The rank in its class decides, as ever: 60 frames and a still, 43 of them train.

    The still comes after `line_...` in the order of names.
    """
    dataset, _ = create_folders(
        film, out=tmp_path / "d", grouping="chronological", block=2
    )
    good = dataset.manifest[dataset.manifest["label"] == "good"]
    counts = good["split"].value_counts().to_dict()
    assert counts == {"train": 41, "validate": 7, "test": 9}  # 43, 52 less gaps of 2
    assert good[good["frame"] == ""]["split"].tolist() == ["test"]
    first = good[good["split"] == "validate"]["frame"].astype(int).min()
    assert first == 94  # the 44th frame: 30 of them are 1 to 30, then 81 on
