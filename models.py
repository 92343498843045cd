"""MODELS: all names for `--model`, and the packages that train and load them.

A family is a package with `train.py`, `bundled.py` and, if it has options,
`arguments.py`; one line here registers it. The names are known without importing Keras.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from argparse import ArgumentParser
from types import ModuleType
from typing import TYPE_CHECKING

from goodparts.command import InputError
from goodparts.files import PathLike

if TYPE_CHECKING:
    from evaluation.predictor import Predictor

MODELS = {
    "mobilenetv2": "classification",
    "resnet50": "classification",
    "inceptionresnetv2": "classification",
    "efficientnetv2s": "classification",
    "small_cnn": "classification",
    "bovw": "bovw",
    "memory_bank": "anomaly",
    "gaussian": "anomaly",
    "feature_noise": "anomaly",
    "colour_novelty": "anomaly",
    "cae_mvtec": "anomaly",
    "cae_baseline": "anomaly",
    "cae_inception": "anomaly",
    "cae_resnet": "anomaly",
    "cae_skip": "anomaly",
    "conv_autoencoder": "anomaly",
    "patch_autoencoder": "anomaly",
    "mask_rcnn": "segmentation",
}


def family(name: str) -> ModuleType:
    """Imports the `train` module of the package behind a model name.

    Raises:
        InputError: If the name is unknown; the text lists the known ones.
    """
    return importlib.import_module(f"{_package(name)}.train")


def family_arguments(name: str, parser: ArgumentParser) -> None:
    """Adds the flags of the family behind a model name to a parser.

    A family whose models have flags of their own adds these by `OF_MODEL`.

    Raises:
        InputError: If the name is unknown; the text lists the known ones.
    """
    module = f"{_package(name)}.arguments"
    if importlib.util.find_spec(module):
        arguments = importlib.import_module(module)
        arguments.add_arguments(parser)
        of_model = getattr(arguments, "OF_MODEL", {})
        if name in of_model:
            of_model[name](parser)


def _package(name):
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise InputError(
            f"There is no model {name!r}. {hint}The models are: {', '.join(MODELS)}."
        )
    return MODELS[name]


def bundled(package: str) -> ModuleType:
    """Imports the `bundled` module of a family, or of `ensemble`.

    Raises:
        InputError: If there is no such family, as in a bundle of a later version.
    """
    return _module(package, "bundled")


def _module(package, name):
    known = sorted({*MODELS.values(), "ensemble"})
    if package not in known:
        raise InputError(
            f"There is no model family {package!r}. The families are: "
            f"{', '.join(known)}."
        )
    return importlib.import_module(f"{package}.{name}")


def load_predictor(run_folder: PathLike) -> Predictor:
    """Loads the predictor of a run folder, of an ensemble with all its members."""
    from evaluation.run_folder import member_folders, read_run

    run = read_run(run_folder)
    package = _module(run.config["family"], "train")
    if "members" in run.config:
        members = [load_predictor(folder) for folder in member_folders(run)]
        return package.load_predictor(run.folder, members)
    return package.load_predictor(run.folder)
