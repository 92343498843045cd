"""Exports a finished run as data that makes the same decisions without Keras.

    goodparts export RUN -o bottle.goodparts [--precision int8] [--sign KEY.pem]
    goodparts export RUN -o network --format savedmodel      (or litert; one network)

It takes half a minute. The export is compared with the original on all of validate, and
refused if a decision differs. It uses the thresholds of `decide`, or else the threshold
of the run.
"""

import datetime
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from decisions.decide_run import check_decidable
from deployment.bundle import SUFFIX, seal
from deployment.bundle_decision import asks_for_unlike, decision_of, lines_of
from deployment.int8_cost import check_cost, cost_of_int8
from deployment.parity import check_parity
from deployment.runtime import Inspector, load_bundle
from deployment.trust import read_signing_key
from deployment.unlike_good import MAX_VIEWS, learn_views
from evaluation.predictor import classifier_prediction
from evaluation.run_folder import member_folders, partial_folder, read_run
from goodparts.command import (
    InputError,
    progress,
    reason,
    working,
)
from goodparts.files import PathLike
from models import bundled, load_predictor
from networks.engines import engine_in_use
from networks.writing import FORMATS, export_network, load_exported
from preprocessing.images import read_image, resize
from preprocessing.manifest import is_copy, read_dataset, table_hash


def export(
    run_folder: PathLike,
    out: PathLike,
    *,
    precision: str = "fp32",
    sign: PathLike | None = None,
) -> dict[str, Any]:
    """Writes the bundle of a run if it makes the same decisions on all of validate.

    Args:
        run_folder: Folder of a finished run.
        out: New folder `<name>.goodparts`.
        precision: "fp32", or "int8": networks in 8-bit integers, several times faster;
            the combiner and all thresholds are then fitted again to their outputs.
        sign: PEM file of the private ed25519 key to sign the bundle with; None leaves
            it unsigned.

    Returns:
        A dict with `sha256` of the bundle, `parity`, see `check_parity`, and for int8
        `cost`, see `cost_of_int8`; the bundle keeps them.

    Raises:
        InputError: If `out` exists, the data set no longer exists or was changed, the
            key is not valid, or the export makes other decisions than the original.
    """
    out = Path(out)
    if out.suffix != SUFFIX:
        raise InputError(
            f"The name of a bundle must end in {SUFFIX}. Received: -o {out}."
        )
    _refuse_existing(out)
    signing_key = None if sign is None else read_signing_key(sign)
    run = read_run(run_folder)
    check_decidable(run)
    with working("reading the data set"):
        dataset = _open_dataset(run)
    with tempfile.TemporaryDirectory() as scratch, partial_folder(out) as partial:
        if precision == "int8":
            # plots and ensembles: a second, after something is shown
            from deployment.int8_run import quantised_original, quantised_run

            source = quantised_run(run, scratch, dataset)
            original = quantised_original(source)
        else:
            with working("loading the run"):
                source, original = run, load_predictor(run.folder)
        about = {
            "name": out.stem,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "run": _origin(run),
            "images": "uint8 RGB; resized by area when shrinking, else bilinear",
            "bit_depth": run.config.get("bit_depth", 8),
            "precision": precision,
            "decision": lines_of(source, run),
            "views": _write_views(source, dataset, partial),
            "engine": engine_in_use(),
            "model": _write_part(source, partial, "", precision),
        }
        seal(partial, about)
        found = {}
        if precision == "int8":
            found["cost"] = cost_of_int8(run, source)
            check_cost(found["cost"]["validate"])
        with working("loading the bundle"):
            inspector = load_bundle(partial)
        found["parity"] = check_parity(original, inspector, dataset)
        sha256 = seal(partial, about | found, signing_key=signing_key)
        os.rename(partial, out)
    return found | {"sha256": sha256}


def export_keras(run_folder: PathLike, out: PathLike, *, name: str) -> dict[str, Any]:
    """Writes the network of one run as a SavedModel folder or a LiteRT file.

    Args:
        run_folder: Folder of a run of a family with one Keras network.
        out: New path.
        name: A key of FORMATS.

    Returns:
        What `check_parity` found.
    """
    out = Path(out)
    _refuse_existing(out)
    run = read_run(run_folder)
    check_decidable(run)
    family = bundled(run.config["family"])
    is_classifier = run.outputs == {"score", "classes"}
    if not hasattr(family, "KERAS_MODEL") or not is_classifier:
        raise InputError(
            f"--format {name} needs a single classification network; {run.name} is a "
            f"run of the family {run.config['family']}. Export a bundle: -o "
            f"NAME{SUFFIX}."
        )
    dataset = _open_dataset(run)
    with partial_folder(out) as partial:
        written = partial / "network.tflite" if name == "litert" else partial
        export_network(run.folder / family.KERAS_MODEL, written, FORMATS[name])
        original = load_predictor(run.folder)
        network = load_exported(written, name)
        classes, normal_class = original.classes, original.normal_class

        def answer(image):
            found = network(resize(image, original.image_size))
            return classifier_prediction(found[None], classes, normal_class).answers()[
                0
            ]

        inspector = Inspector(
            out.name, "", classes, normal_class, decision_of(run), answer
        )
        parity = check_parity(original, inspector, dataset)
        os.rename(written, out)
    return parity


def _write_part(run, folder, prefix, precision):
    """Writes the files of a run and its members; returns its part of bundle.json.

    A family writes its own part, see `bundled.py` of each.
    """
    (folder / prefix).mkdir(exist_ok=True)
    config = run.config
    about = {
        "family": config["family"],
        "name": config["model"],
        "classes": config["classes"],
        "normal_class": config["normal_class"],
        "outputs": sorted(run.outputs),
        "num_frames": config.get("num_frames", 1),
        "map_range": config.get("map_range"),
    }
    if "members" in config:
        about["members"] = [
            _write_part(read_run(member), folder, f"{prefix}{number}/", precision)
            for number, member in enumerate(member_folders(run))
        ]
    family = bundled(config["family"])
    return about | family.write(run, folder, prefix, precision=precision)


def _origin(run):
    keys = ("model", "dataset", "manifest_sha256", "seed", "git_commit", "versions")
    return {"name": run.name, **{key: run.config[key] for key in keys}}


def _write_views(run, dataset, folder):
    """Writes views.npz; returns its name, or None if `decide` turned the check off."""
    if not asks_for_unlike(run):
        return None
    images = {}
    for split in ("train", "validate"):
        rows = dataset.rows(split)
        good = rows[(rows["label"] == dataset.normal_class) & ~is_copy(rows)]
        if split == "train":
            drawn = np.linspace(0, len(good) - 1, min(MAX_VIEWS, len(good)))
            good = good.iloc[drawn.astype(int)]
        images[split] = [dataset.folder / path for path in good["path"]]
    learnt = learn_views(*(_read_images(images[split], split) for split in images))
    np.savez_compressed(folder / "views.npz", **learnt._asdict())
    return "views.npz"


def _read_images(paths, split):
    yield from map(read_image, progress(paths, f"good parts of {split}", len(paths)))


def _open_dataset(run):
    try:
        dataset = read_dataset(run.config["dataset_folder"])
    except InputError as error:
        raise InputError(
            f"{run.name} was trained on {run.config['dataset_folder']}, and the "
            "export is checked on its validate images. Restore that data set. "
            f"({reason(error)})"
        ) from error
    if table_hash(dataset.manifest) != run.config["manifest_sha256"]:
        raise InputError(
            f"The data set {dataset.folder} was changed after {run.name} was trained, "
            "so the export cannot be checked on its validate images. Restore the "
            "data set, or train again."
        )
    return dataset


def _refuse_existing(out):
    if out.exists():
        raise InputError(
            f"{out} already exists. Give another name with -o, or remove it."
        )
