"""How fast transfer learning is, and how much memory it takes.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/transfer_speed.py

About 25 minutes on two idle cores, half of it the plain Keras way; `steps`, `recipes`
and `head` can be named to run a part. On `bottles`, and the recipes on embedded parts;
the larger backbones have random weights, whose speed is the same.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from figures import SMOKE, make_parser, real_data, sized, write_figures

from backbones import BACKBONES
from goodparts.command import run_command
from goodparts.machine import peak_memory_mb
from preprocessing.create_folders import create_folders
from preprocessing.datasets import ImageStore
from preprocessing.embedded_parts.render import render_dataset
from preprocessing.manifest import read_dataset
from preprocessing.splitting.split import hold_out

HEAD = {"head_rate": 1e-3, "loss": "weighted", "label_smoothing": 0.0}
NAMES = sized(list(BACKBONES), ["mobilenetv2"])
NUM_STEPS, ROUNDS, BATCH_SIZE = sized(30, 2), sized(3, 1), sized(32, 4)
FEW_STEPS = sized(5, 1)
NUM_PARTS, SIZE_OF_PARTS = sized(120, 40), sized(256, 64)  # embedded


def head_on_cached_features(folder):
    """30 epochs as `train` does them, features included."""
    from classification.head import train_head
    from classification.image_size import choose_size
    from classification.model import build_features

    dataset = read_dataset(folder)
    rows = dataset.rows("train")
    with tempfile.TemporaryDirectory() as empty:
        started = time.perf_counter()
        size = choose_size("mobilenetv2", dataset, None)
        features = build_features("mobilenetv2", size, weights="imagenet")
        _, history, _ = train_head(
            features,
            dataset,
            arguments=HEAD,
            seed=0,
            cache=Path(empty),
            held_out=hold_out(rows["label"], rows["group"]),
            checkpoints=Path(empty),
        )
        seconds = time.perf_counter() - started
    best = round(float(history["val_accuracy"].max()), 4)
    return {"s": round(seconds, 1), "val_accuracy": best}


def head_the_plain_way(folder):
    """30 epochs of `fit` through the frozen backbone, images in memory."""
    import keras

    from classification.batches import make_targets
    from classification.head import BATCH_SIZE as HEAD_BATCH
    from classification.head import EPOCHS
    from classification.image_size import choose_size
    from classification.model import build_features, build_head, join
    from networks.training import falling_steps

    epochs = sized(EPOCHS, 1)
    dataset = read_dataset(folder)
    rows = dataset.rows("train")
    held = hold_out(rows["label"], rows["group"])
    started = time.perf_counter()
    size = choose_size("mobilenetv2", dataset, None)
    store = ImageStore([dataset.folder / path for path in rows["path"]], size)
    targets = make_targets(
        rows["label"], dataset.classes, "weighted", among=np.flatnonzero(~held)
    )
    features = build_features("mobilenetv2", size, weights="imagenet")
    features.trainable = False
    model = join(features, build_head(features.output_shape[1], len(dataset.classes)))
    model.compile(
        keras.optimizers.AdamW(), "categorical_crossentropy", metrics=["accuracy"]
    )
    fitted = model.fit(
        store.images[~held],
        targets.one_hot[~held],
        sample_weight=targets.weights[~held],
        batch_size=HEAD_BATCH,
        epochs=epochs,
        validation_data=(store.images[held], targets.one_hot[held]),
        callbacks=[
            keras.callbacks.LearningRateScheduler(
                lambda epoch: 1e-3 * falling_steps(epoch / epochs)
            )
        ],
        verbose=0,
    )
    seconds = time.perf_counter() - started
    best = round(max(fitted.history["val_accuracy"]), 4)
    return {"s": round(seconds, 1), "val_accuracy": best}


def _fine_tuned(name, dataset, *, weights):
    """A compiled classifier as `train` fine-tunes it, its stage and its batches."""
    from classification import batches, model
    from classification.image_size import choose_size
    from networks import training

    size = choose_size(name, dataset, None)
    rows = dataset.rows("train")[: NUM_STEPS * BATCH_SIZE]
    store = ImageStore([dataset.folder / path for path in rows["path"]], size)
    targets = batches.make_targets(
        rows["label"], dataset.classes, "weighted", among=np.arange(len(rows))
    )
    features = model.build_features(name, size, weights=weights)
    head = model.build_head(features.output_shape[1], len(dataset.classes))
    classifier = model.join(features, head)
    stage = training.Stage(
        name="fine-tuning",
        epochs=100,
        num_batches=NUM_STEPS,
        head_rate=2e-4,
        features_rate=1e-4,
        schedule=lambda done: 1.0,
        loss=batches.make_loss("weighted", 0.0),
        unfreeze=BACKBONES[name].unfreeze,
        set_blocks=lambda count: model.unfreeze_blocks(classifier, name, count),
    )
    optimizer = training.compile_stage(classifier, stage, BACKBONES[name].unfreeze[0])
    made = batches.image_batches(
        store,
        targets,
        np.arange(len(store)),
        BATCH_SIZE,
        augmentation=batches.loop_augmentation(dataset),
        seed=0,
    )
    return classifier, stage, optimizer, made


def step_of_train(folder):
    """Seconds of a step in `train`'s loop and of a bare one, in turns."""
    from networks import training

    dataset = read_dataset(folder)
    classifier, stage, optimizer, batches = _fine_tuned(
        "mobilenetv2", dataset, weights="imagenet"
    )
    fixed = next(iter(batches(0)))

    def bare(count):
        for _ in range(count):
            classifier.train_on_batch(*fixed, return_dict=True)

    bare(3)
    times = {"ours": [], "bare": []}
    for number in range(ROUNDS):
        started = time.perf_counter()
        training.train_epoch(classifier, stage, optimizer, number, batches(number))
        times["ours"].append((time.perf_counter() - started) / NUM_STEPS)
        started = time.perf_counter()
        bare(NUM_STEPS)
        times["bare"].append((time.perf_counter() - started) / NUM_STEPS)
    ours, plain = (min(times[key]) for key in ("ours", "bare"))
    return {
        "s": round(ours, 4),
        "bare_s": round(plain, 4),
        "ratio": round(ours / plain, 3),
    }


def step_compiled(folder, *, xla=False, policy="float32"):
    """Seconds of a bare step of mobilenetv2 with XLA or in mixed precision."""
    import keras

    keras.mixed_precision.set_global_policy(policy)
    dataset = read_dataset(folder)
    classifier, stage, optimizer, batches = _fine_tuned(
        "mobilenetv2", dataset, weights="none"
    )
    classifier.compile(optimizer, stage.loss, jit_compile=xla)
    fixed = next(iter(batches(0)))
    classifier.train_on_batch(*fixed)
    started = time.perf_counter()
    for _ in range(FEW_STEPS):
        classifier.train_on_batch(*fixed)
    return {"s": round((time.perf_counter() - started) / FEW_STEPS, 4)}


def steps_at_full_size(folder, name):
    """Features per second and seconds of a step of fine-tuning, a few of each."""
    dataset = read_dataset(folder)
    classifier, stage, optimizer, batches = _fine_tuned(name, dataset, weights="none")
    images, *rest = next(iter(batches(0)))
    features = classifier.get_layer("features")
    features.predict_on_batch(images)
    started = time.perf_counter()
    for _ in range(FEW_STEPS):
        features.predict_on_batch(images)
    per_second = FEW_STEPS * len(images) / (time.perf_counter() - started)
    classifier.train_on_batch(images, *rest)
    started = time.perf_counter()
    for _ in range(FEW_STEPS):
        classifier.train_on_batch(images, *rest)
    return {
        "s": round((time.perf_counter() - started) / FEW_STEPS, 3),
        "features_per_s": round(per_second, 1),
        "image_size": "{} x {}".format(*images.shape[1:3]),
    }


def small_recipe(folder, name):
    """The whole recipe on embedded parts at small size, from a weights file."""
    from backbones import build_backbone
    from classification.train import train

    side = max(96, BACKBONES[name].smallest_side)
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / f"{name}.weights.h5"
        build_backbone(name, weights="none").save_weights(path)
        started = time.perf_counter()
        run = train(
            model=name,
            data=folder,
            runs=Path(work) / "runs",
            weights=path,
            image_size=(side, side),
            epochs=2,
        )
        stages = pd.read_csv(run / "history.csv")["stage"].unique()
    return {
        "s": round(time.perf_counter() - started, 1),
        "image_size": f"{side} x {side}",
        "stages": ", ".join(stages),
    }


def measured(job, *arguments, **options):
    """The figures of a job in a process of its own, with its peak memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(job, *arguments, **options).result()
        return found | {"peak_memory_mb": pool.submit(peak_memory_mb).result()}


def steps(bottles, embedded):
    del embedded
    yield "in train and bare", measured(step_of_train, bottles)
    yield "bare", measured(step_compiled, bottles)
    if not SMOKE:  # as to compile takes long
        yield "bare, with XLA", measured(step_compiled, bottles, xla=True)
        policy = "mixed_bfloat16"
        yield f"bare, in {policy}", measured(step_compiled, bottles, policy=policy)
    for name in NAMES:
        yield f"{name} at its size", measured(steps_at_full_size, bottles, name)


def recipes(bottles, embedded):
    del bottles
    for name in NAMES:
        yield name, measured(small_recipe, embedded, name)


def head(bottles, embedded):
    del embedded
    yield "30 epochs, cached features", measured(head_on_cached_features, bottles)
    yield "30 epochs, plain Keras", measured(head_the_plain_way, bottles)


PARTS = {"steps": steps, "recipes": recipes, "head": head}


def main():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none")
    arguments = parser.parse_args()
    chosen = arguments.parts or list(PARTS)
    unknown = set(chosen) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as work:
        bottles = create_folders(
            real_data("bottles"), out=work, grouping="none", link=True
        )[0].folder
        parts = Path(work) / "embedded"
        render_dataset(parts, num_images=NUM_PARTS, size=SIZE_OF_PARTS)
        embedded = create_folders(parts, out=Path(work) / "dataset")[0].folder
        for part in chosen:
            rows = []
            for what, found in PARTS[part](bottles, embedded):
                rows.append({"what": what} | found)
                print(rows[-1], flush=True)
            write_figures(f"transfer_speed_{part}", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
