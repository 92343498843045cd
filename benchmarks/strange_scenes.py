"""What a bundle says of pictures that show no part as it knows them.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/strange_scenes.py --work DIR

Seconds, with the bundle of benchmarks/live_runner.py in its work folder. A hand is an
ellipse of skin colour over part of a good bottle of test. `accepted_by_classes` is what
the classifier and its floor alone would accept.
"""

import av
import cv2
import numpy as np
from figures import real_data, run_parts, sized
from live_runner import prepare

from deployment.runtime import load_bundle
from goodparts.command import run_command
from preprocessing.images import read_image

NUM_IMAGES = sized(60, 2)
SKIN = (205, 160, 135)


def with_hand(image, random):
    """The image, and over it an ellipse of skin colour somewhere."""
    image, (height, width) = image.copy(), image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    middle = random.integers((60, 60), (width - 10, height - 60)).tolist()
    axes = random.integers((25, 50), (60, 110)).tolist()
    angle = int(random.integers(180))
    cv2.ellipse(mask, middle, axes, angle, 0, 360, 255, -1)
    skin = np.array(SKIN) + random.normal(0, 8, (height, width, 1))
    image[mask > 0] = np.clip(skin, 0, 255)[mask > 0]
    return image


def other_scenes():
    """Crops of another line, with hands and without."""
    video = real_data("video") / "bottle-detection.mp4"
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 20 == 0:
                yield frame.to_ndarray(format="rgb24")[:, 200:335].copy()


def strange(work):
    dataset, _ = prepare(work)
    inspector = load_bundle(work / "line.goodparts")
    by_classes = inspector._replace(views=None)
    random = np.random.default_rng(0)
    rows = dataset.rows("test")
    good = rows[rows["label"] == dataset.normal_class]
    images = [read_image(dataset.folder / path) for path in good["path"]]
    some = images[:: len(images) // NUM_IMAGES]
    size = images[0].shape
    shown = {
        "good bottles of test": images,
        "with a hand before them": [with_hand(image, random) for image in some],
        "another line": list(other_scenes()),
        "black and white": [np.full(size, light, np.uint8) for light in (0, 255)],
        "noise": [random.integers(0, 256, size, np.uint8) for _ in range(20)],
        "upside down": [image[::-1] for image in some],
        "shifted by 40 pixels": [np.roll(image, 40, 1) for image in some],
        "at a third of the light": [image // 3 for image in some],
        "out of focus": [cv2.GaussianBlur(image, (0, 0), 6) for image in some],
    }
    found = []
    for name, pictures in shown.items():
        verdicts = [inspector.inspect(image).decision for image in pictures]
        alone = [by_classes.inspect(image).decision for image in pictures]
        counts = {
            kind: verdicts.count(kind) for kind in ("accept", "reject", "inspect")
        }
        row = {"pictures": name, "images": len(pictures), **counts}
        found.append(row | {"accepted_by_classes": alone.count("accept")})
    return found


def main():
    parts = {"scenes": lambda once: once(strange)}
    run_parts("strange", parts, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
