"""Exports a finished run: data that decides as the run does, without Keras.

    pipenv run export RUN -o bottle.goodparts [--precision int8]
    pipenv run export RUN -o network --format savedmodel      (or litert; one network)

Half a minute. The export is run on all of validate beside the original, and refused if
a decision differs. Its lines are those of `decide`, else the run's threshold.
"""

import argparse
import datetime
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from bovw.train import load_bag
from deployment.bundle import SUFFIX, seal
from deployment.bundle_decision import decision_of, lines_of
from deployment.engines import PRECISIONS, engine_in_use
from deployment.int8_cost import check_cost, cost_of_int8
from deployment.int8_run import NETWORK, quantised_predictor, quantised_run
from deployment.networks import FORMATS, export_network, load_exported
from deployment.parity import check_parity
from deployment.runtime import Inspector, load_bundle
from deployment.unlike_good import MAX_VIEWS, learn_views
from evaluation.run_folder import member_folders, partial_folder, read_run
from evaluation.wording import counted, percent
from goodparts.command import InputError, run_command
from goodparts.files import read_json
from models import load_predictor
from preprocessing.images import read_image, resize
from preprocessing.manifest import is_copy, read_dataset, table_hash


def export(run_folder, out, *, precision="fp32"):
    """Writes the bundle of a run, after it has decided all of validate as the run does.

    Args:
        run_folder: Of a finished run of a classifier or an ensemble of them.
        out: New folder `<name>.goodparts`.
        precision: "fp32", or "int8": networks in 8-bit integers, several times faster;
            combiner, threshold and lines are then fitted again on what they say.

    Returns:
        A dict with `parity`, see `check_parity`, and for int8 `cost`, see
        `cost_of_int8`; the bundle keeps both.

    Raises:
        InputError: If `out` exists, the data set is gone or changed, or the export
            does not decide as the original.
    """
    out = Path(out)
    if out.suffix != SUFFIX:
        raise InputError(f"A bundle is named *{SUFFIX}. Received: -o {out}.")
    _refuse_existing(out)
    run = read_run(run_folder)
    dataset = _open_dataset(run)
    with tempfile.TemporaryDirectory() as scratch, partial_folder(out) as partial:
        source = run
        if precision == "int8":
            source = quantised_run(run, scratch, dataset)
        original = _original(source, precision)
        model = _write_model(source, partial, "", precision)
        about = {
            "name": out.stem,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "run": _origin(run),
            "classes": model["classes"],
            "normal_class": run.config["normal_class"],
            "images": "uint8 RGB; resized by area when shrinking, else bilinear",
            "precision": precision,
            "decision": lines_of(source, run),
            "views": _write_views(source, dataset, partial),
            "engine": engine_in_use(),
            "model": model,
        }
        seal(partial, about)
        found = {}
        if precision == "int8":
            found["cost"] = cost_of_int8(run, source)
            check_cost(found["cost"]["validate"])
        found["parity"] = check_parity(original, load_bundle(partial), dataset)
        seal(partial, about | found)
        os.rename(partial, out)
    return found


def export_keras(run_folder, out, *, name):
    """Writes the network of one run as a SavedModel folder or a LiteRT file.

    Args:
        run_folder: Of a run of the family classification.
        out: New path.
        name: A key of FORMATS.

    Returns:
        What `check_parity` found.
    """
    out = Path(out)
    _refuse_existing(out)
    run = read_run(run_folder)
    if run.config["family"] != "classification":
        raise InputError(
            f"--format {name} is for one network; {run.name} is of the family "
            f"{run.config['family']}. Export a bundle: -o NAME{SUFFIX}."
        )
    dataset = _open_dataset(run)
    with partial_folder(out) as partial:
        written = partial / "network.tflite" if name == "litert" else partial
        export_network(run.folder, written, FORMATS[name])
        original = load_predictor(run.folder)
        inspector = Inspector(
            out.name,
            "",
            original.classes,
            original.normal_class,
            decision_of(run),
            _resized(load_exported(written, name), original.image_size),
        )
        parity = check_parity(original, inspector, dataset)
        os.rename(written, out)
    return parity


def _original(source, precision):
    """The `Predictor` that the bundle is held against."""
    if precision == "int8" and source.config["family"] == "classification":
        return quantised_predictor(source.folder, source.config)
    if precision == "int8" and "members" in source.config:
        from ensemble.train import load_predictor as load_ensemble

        members = [_original(read_run(x), precision) for x in member_folders(source)]
        return load_ensemble(source.folder, members)
    return load_predictor(source.folder)


def _resized(network, size):
    return lambda image: network(resize(image, size))


def _write_model(run, folder, prefix, precision):
    """Writes the files of a run; returns what bundle.json says of its model."""
    family, config = run.config["family"], run.config
    (folder / prefix).mkdir(exist_ok=True)
    if family == "classification":
        file = f"{prefix}network.onnx"
        if precision == "int8":
            shutil.copyfile(run.folder / NETWORK, folder / file)
        else:
            export_network(run.folder, folder / file, "onnx")
        size = list(config["arguments"]["image_size"])
        return {
            "kind": "network",
            "name": config["model"],
            "classes": config["classes"],
            "file": file,
            "image_size": size,
        }
    if family == "bovw":
        bag = load_bag(run.folder)
        files = {name: f"{prefix}{name}.npz" for name in ("vocabulary", "svm")}
        for file in files.values():
            shutil.copyfile(run.folder / Path(file).name, folder / file)
        classes = bag.svm.classes.tolist()
        settings = bag.settings._asdict()
        return {
            "kind": "bovw",
            "name": config["model"],
            "classes": classes,
            **files,
            "settings": settings,
        }
    if "members" in config:
        file = f"{prefix}combiner.npz"
        shutil.copyfile(run.folder / "combiner.npz", folder / file)
        members = [
            _write_model(read_run(member), folder, f"{prefix}{number}/", precision)
            for number, member in enumerate(member_folders(run))
        ]
        return {
            "kind": "ensemble",
            "name": config["model"],
            "classes": config["classes"],
            "combiner": config["arguments"]["combine"],
            "file": file,
            "calibrations": read_json(run.folder / "calibration.json"),
            "members": members,
        }
    raise InputError(f"{run.name} is of the family {family}, which has no export.")


def _origin(run):
    keys = ("model", "dataset", "manifest_sha256", "seed", "git_commit", "versions")
    return {"name": run.name, **{key: run.config[key] for key in keys}}


def _write_views(run, dataset, folder):
    """Writes views.npz; its name, or None where `decide` was told to ask nothing."""
    if decision_of(run).least_probability is None:
        return None
    images = {}
    for split in ("train", "validate"):
        rows = dataset.rows(split)
        good = rows[(rows["label"] == dataset.normal_class) & ~is_copy(rows)]
        if split == "train":
            drawn = np.linspace(0, len(good) - 1, min(MAX_VIEWS, len(good)))
            good = good.iloc[drawn.astype(int)]
        images[split] = [dataset.folder / path for path in good["path"]]
    learnt = learn_views(*(map(read_image, paths) for paths in images.values()))
    np.savez_compressed(folder / "views.npz", **learnt._asdict())
    return "views.npz"


def _open_dataset(run):
    try:
        dataset = read_dataset(run.config["dataset_folder"])
    except InputError as error:
        raise InputError(
            f"{run.name} was trained on {run.config['dataset_folder']}, on whose "
            f"validate images the export is checked: put that back. ({error})"
        ) from error
    if table_hash(dataset.manifest) != run.config["manifest_sha256"]:
        raise InputError(
            f"The data set {dataset.folder} was changed after {run.name} was trained: "
            "the export cannot be checked on validate. Put it back, or train again."
        )
    return dataset


def _refuse_existing(out):
    if out.exists():
        raise InputError(f"{out} exists already. Give -o a new name, or remove it.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="run folder")
    parser.add_argument(
        "-o", "--out", required=True, help=f"new bundle, NAME{SUFFIX}; or see --format"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default=PRECISIONS[0])
    parser.add_argument(
        "--format",
        choices=["bundle", *FORMATS],
        default="bundle",
        help="of one network, a SavedModel folder or a LiteRT file, without lines",
    )
    arguments = parser.parse_args()
    if arguments.format == "bundle":
        found = export(arguments.run, arguments.out, precision=arguments.precision)
        parity = found["parity"]
    elif arguments.precision == "int8":
        parser.error("--precision int8 is for bundles.")
    else:
        found = {}
        parity = export_keras(arguments.run, arguments.out, name=arguments.format)
    for split, cost in found.get("cost", {}).items():
        print(
            f"{split}: macro-F1 {percent(cost['int8'])} in int8, "
            f"{percent(cost['fp32'])} before; {cost['num_otherwise']} of "
            f"{counted(cost['num_images'], 'image')} decided or named otherwise"
        )
    original = "its run in int8" if found.get("cost") else "the original"
    print(
        f"decides all {counted(parity['num_images'], 'validate image')} as {original} "
        f"does; probabilities differ by {parity['max_difference']:.1g} at most"
    )
    print(arguments.out)


if __name__ == "__main__":
    run_command(main)
