import re

import numpy as np
import pandas as pd
import pytest

from preprocessing.splitting.names import suggest_pattern
from preprocessing.splitting.near_duplicates import Fingerprint
from preprocessing.splitting.neighbour_guess import neighbour_guess
from preprocessing.splitting.remarks import split_remarks
from preprocessing.splitting.split import assign_groups


def scenes(num_parts, shots, seed=0):
    """Looks of parts whose class cannot be seen, each photographed several times."""
    random = np.random.default_rng(seed)
    looks = random.integers(0, 255, (num_parts, 32, 32))
    images = np.repeat(looks, shots, axis=0) + random.normal(
        0, 5, (num_parts * shots, 32, 32)
    )
    prints = [
        Fingerprint(np.uint64(0), np.clip(i, 0, 255).astype(np.uint8)) for i in images
    ]
    parts = np.repeat(np.arange(num_parts), shots)
    labels = np.where(parts % 2, "good", "bad")
    names = [
        f"{10 * part + shot:05d}" for part in range(num_parts) for shot in range(shots)
    ]
    order = pd.Series(names).groupby(labels).rank().astype(int) - 1
    table = {"label": labels, "stem": names, "order": order, "group": names}
    return prints, pd.DataFrame(table), parts


def test_the_neighbour_guess_sees_parts_on_both_sides():
    prints, table, parts = scenes(60, 6)
    random = np.random.default_rng(1)
    sides = np.array(["train", "train", "validate", "test"])
    table["split"] = sides[random.integers(0, 4, len(table))]
    leaking = neighbour_guess(prints, table)
    assert leaking["is_clear"] and leaking["judged"] > 0.85  # less a tenth of the class
    assert leaking["held_out"] < 0.75  # the class cannot be guessed from other parts
    table["split"] = sides[random.integers(0, 4, 60)][parts]
    table["group"] = [str(part) for part in parts]
    apart = neighbour_guess(prints, table)
    assert not apart["is_clear"] and abs(apart["judged"] - apart["held_out"]) < 0.2
    assert neighbour_guess(prints, table.assign(label="good")) is None


def test_names_of_cuts_and_exports_suggest_a_pattern():
    cuts = [
        f"good/film{film:02d}_{48 * cut:04d}" for film in range(12) for cut in range(9)
    ]
    random = ["train", "test", "validate"] * 36
    assert suggest_pattern(cuts, random) == (r"(.+)[_-]\d+$", 12, 12)
    by_film = np.repeat(["train", "test", "validate"], 36).tolist()
    assert suggest_pattern(cuts, by_film) is None
    export = [f"bad/p{i // 3}_jpg.rf.{i:032x}" for i in range(36)]
    assert suggest_pattern(export, random[:36])[0] == r"(.+)\.rf\."
    assert re.search(r"(.+)\.rf\.", export[0])[1] == "bad/p0_jpg"


@pytest.mark.parametrize(
    "ending", ["_inv", "-negative", "_padded", "_letterbox_640", "_hflip", "_rot90"]
)
def test_an_original_and_its_altered_copy_suggest_a_pattern(ending):
    ids = [f"good/part{i:02d}{end}" for i in range(20) for end in ("", ending)]
    pattern, num_stems, num_cut = suggest_pattern(ids, ["train", "test"] * 20)
    assert (num_stems, num_cut) == (20, 20)
    groups = assign_groups(table_of(ids), None, grouping="pattern", pattern=pattern)
    assert groups[0::2] == groups[1::2] == ids[0::2]
    assert suggest_pattern(ids, ["train", "train", "test", "test"] * 10) is None
    assert suggest_pattern(ids[0::2], ["train", "test"] * 10) is None


def table_of(ids):
    return pd.DataFrame({"sample_id": ids, "label": "good", "order": range(len(ids))})


def test_frames_of_a_class_or_of_an_exposure_are_no_cuts():
    splits = ["train", "test"] * 60
    frames = [f"good/good_{number:04d}" for number in range(120)]
    assert suggest_pattern(frames, splits) is None
    exposures = [f"good/exp{i % 6}_num_{1000 + 37 * i}" for i in range(120)]
    assert suggest_pattern(exposures, splits) is None
    assert suggest_pattern([f"good/{i}" for i in range(120)], splits) is None


def manifest(sizes):
    rows = [
        {
            "label": label,
            "split": split,
            "group": f"{label}{split}{i}",
            "sample_id": f"{label}/{split}{i}x",
        }
        for (label, split), number in sizes.items()
        for i in range(number)
    ]
    return pd.DataFrame(rows)


INFO = {
    "leak": 0.0,
    "classes": ["bad", "good"],
    "normal_class": "good",
    "grouping": "near_duplicates",
}


def test_thin_classes_and_few_good_parts_are_named_before_training():
    few = manifest(
        {
            ("good", "train"): 90,
            ("good", "validate"): 10,
            ("good", "test"): 25,
            ("bad", "train"): 30,
            ("bad", "validate"): 5,
            ("bad", "test"): 4,
        }
    )
    said = "\n".join(split_remarks(INFO, few))
    assert "bad 4 (recall above 40%)" in said  # 0.025 ** (1 / 4)
    assert "10 groups of good parts" in said and "fewer than 31%" in said
    assert "good 25" not in said and "WARNING" not in said
    many = manifest(
        {
            (label, split): 40
            for label in ("good", "bad")
            for split in ("train", "validate", "test")
        }
    )
    assert len(split_remarks(INFO, many)) == 1


def test_no_bare_leak_and_large_groups_and_lacking_classes():
    rows = manifest(
        {("good", split): 40 for split in ("train", "validate", "test")}
        | {("bad", "train"): 40, ("bad", "validate"): 40}
    )
    rows.loc[(rows["label"] == "bad") & (rows["split"] == "train"), "group"] = "one"
    guess = {"judged": 0.93, "held_out": 0.61, "low": 0.2, "is_clear": True}
    said = "\n".join(split_remarks({**INFO, "neighbour_guess": guess}, rows))
    assert "0.0% of" in said and "not the same part in other light" in said
    assert "one group contains 40 of the 80 images of the class bad" in said
    assert "--grouping pattern" in said and "test has no parts of bad" in said
    assert (
        "93% of the validate and test images" in said
        and "61% in held-out groups and series of train: WARNING" in said
    )


@pytest.mark.parametrize(
    "grounds", [{"near_copies": 3, "lines": 0, "numbers": 9}, {"near_copies": 0}]
)
def test_grounds_are_said(grounds):
    rows = manifest({("good", "train"): 3})
    said = split_remarks({**INFO, "classes": ["good"], "grounds": grounds}, rows)[0]
    assert ("near-duplicates (3 images), close numbers" in said) == bool(
        grounds.get("numbers")
    )
