"""A production line on film: bottles that no training saw, with faults at known times.

Frames of 480 x 640 carry their number as blocks in the top left corner, outside of the
region, so that every judged frame of a stream can be held against the truth.
"""

import numpy as np
import pandas as pd
from figures import sized

from goodparts.files import write_csv
from preprocessing.images import read_image, write_image

SIZE = (480, 640)
BOX = (245, 40, 150, 400)  # x, y, width, height of the region
ROI = ",".join(map(str, BOX))
BITS, BLOCK = 16, 12
NORMAL_FRAMES, FAULT_FRAMES = sized((40, 70), (15, 20)), 12


def film_line(dataset, folder, *, seed=0):
    """Writes `0001.png`, ... and truth.csv, unless they are there.

    Normal stretches of 40 to 70 frames that follow each other alternate with faults of
    12 frames that follow each other. Every faulty frame of test is shown once; the
    normal ones come round again, each time under another light (+-3 % of brightness).

    Returns:
        Table with number, label and fault (its number, -1 for none).
    """
    if (folder / "truth.csv").is_file():
        return pd.read_csv(folder / "truth.csv")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    rows = dataset.rows("test").sort_values("sample_id")
    normal = rows[rows["label"] == dataset.normal_class]
    faults = [
        part.iloc[start : start + FAULT_FRAMES]
        for _, part in rows[rows["label"] != dataset.normal_class].groupby("label")
        for start in range(0, len(part), FAULT_FRAMES)
    ]
    order = random.permutation(len(faults))
    truth, at = [], 0
    for fault, index in enumerate(order):
        length = random.integers(*NORMAL_FRAMES)
        stretch = normal.iloc[np.arange(at, at + length) % len(normal)]
        at += length
        for shown, number in ((stretch, -1), (faults[index], fault)):
            light = random.uniform(0.97, 1.03)
            for row in shown.itertuples():
                image = read_image(dataset.folder / row.path)
                frame = film(image, len(truth), light)
                write_image(folder / f"{len(truth) + 1:04d}.png", frame)
                truth.append((len(truth), row.label, number))
    table = pd.DataFrame(truth, columns=["number", "label", "fault"])
    write_csv(folder / "truth.csv", table)
    return table


def film(image, number, light):
    """A frame with the part in the region and the number in the corner."""
    frame = np.full((*SIZE, 3), 90, np.uint8)
    x, y, width, height = BOX
    frame[y : y + height, x : x + width] = np.clip(image * light, 0, 255)
    for bit in range(BITS):
        value = 235 if number >> bit & 1 else 20
        frame[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = value
    return frame


def number_of(image):
    """The number that `film` wrote into a frame."""
    middles = BLOCK // 2 + BLOCK * np.arange(BITS)
    return int(
        sum(1 << bit for bit in range(BITS) if image[BLOCK // 2, middles[bit], 0] > 128)
    )
