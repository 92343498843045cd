"""Images per second through `fit` with a trivial model, at 224 px.

    python3 benchmarks/loader.py

A minute. Renders its own images; expects at least 2,500 images/s on two cores.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from figures import make_parser, sized, write_figures

from classification.batches import LIGHT
from goodparts.command import run_command
from preprocessing.augmenting.augmentation import augment, geometry_and_light
from preprocessing.datasets import ImageStore, shuffled, training_batches
from preprocessing.images import write_image

NUM_IMAGES, SIZE, BATCH_SIZE, EPOCHS = sized(2000, 64), 224, 32, sized(3, 1)


def write_images(folder):
    random = np.random.default_rng(0)
    paths = [Path(folder) / f"{number}.jpg" for number in range(NUM_IMAGES)]
    for path in paths:
        coarse = random.integers(0, 255, (14, 14, 3), np.uint8)
        write_image(path, coarse.repeat(16, 0).repeat(16, 1))
    return paths


def images_per_second(store, change):
    import keras

    model = keras.Sequential(
        [
            keras.layers.Input((SIZE, SIZE, 3)),
            keras.layers.AveragePooling2D(SIZE // 2),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    steps = NUM_IMAGES // BATCH_SIZE
    targets = np.arange(NUM_IMAGES) % 2
    batches = training_batches(
        store, targets, shuffled(NUM_IMAGES, BATCH_SIZE), augment=change
    )
    model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    started = time.perf_counter()
    model.fit(batches, steps_per_epoch=steps, epochs=EPOCHS, verbose=0, shuffle=False)
    return EPOCHS * steps * BATCH_SIZE / (time.perf_counter() - started)


def main():
    out = make_parser(__doc__.split("\n")[0]).parse_args().out
    everything = geometry_and_light()
    changes = {
        "none": None,
        "light": lambda image, seed: augment(LIGHT, image, [], seed)[0],
        "flips, rotation and light": lambda image, seed: augment(
            everything, image, [], seed
        )[0],
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(folder)
        for cached, budget in (("in memory", 6000), ("decoded each time", 0)):
            store = ImageStore(paths, (SIZE, SIZE), memory_budget_mb=budget)
            for name, change in changes.items():
                speed = round(images_per_second(store, change))
                rows.append(
                    {"images": cached, "augmentation": name, "images_per_s": speed}
                )
    write_figures("loader", rows, out)


if __name__ == "__main__":
    run_command(main)
