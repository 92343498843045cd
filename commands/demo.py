"""Runs the usual commands one after another, from a folder of images to a report.

    goodparts demo                  on the embedded data set
    goodparts demo --data FOLDER    on your own images

Splits the images, writes boxes, makes augmented copies, trains the models, combines and
compares them.
"""

import shlex
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbones import imagenet_available
from goodparts.command import InputError, command_line, seed
from goodparts.loading import loading
from preprocessing.splitting.choices import GROUPINGS

FIXED_POSE = ["--flips", "none", "--rotation", "3", "--brightness", "0.8", "1.2"]
WITHOUT_WEIGHTS = ("small_cnn", "bovw")


def main_job(
    source: str | Path,
    *,
    name: str,
    groupings: Sequence[str],
    out: str | Path = "dataset",
    runs: str | Path = "runs",
    options: Sequence[str] = (),
    seed: int = 0,
) -> Path:
    """Runs the whole chain and prints where the report is.

    Args:
        source: Folder of images.
        name: Name of the data set; with several groupings, each is added to it.
        groupings: Ways to split, see GROUPINGS; each gives a data set of its own.
        out, runs: Folders of data sets and of runs.
        options: Further arguments of `folders`.
        seed: Seed of all random choices.

    Returns:
        Path of report.html.
    """
    from preprocessing.augmenting.pose import has_fixed_pose
    from preprocessing.manifest import read_dataset

    if not Path(source).is_dir():
        raise InputError(f"There is no folder {source}. Check the path of --data.")
    started = time.perf_counter()
    models = WITHOUT_WEIGHTS
    if imagenet_available("mobilenetv2"):
        models = ("mobilenetv2", *WITHOUT_WEIGHTS)
    else:
        print(
            "NOTE: The ImageNet weights are neither cached nor reachable, so only the "
            "models that need none are trained. With the weights, mobilenetv2 is "
            "usually the best.",
            flush=True,
        )
    everything = []
    for grouping in groupings:
        data_name = name if len(groupings) == 1 else f"{name}-{grouping}"
        run_step(
            "folders",
            source,
            "--name",
            data_name,
            "--grouping",
            grouping,
            "--out",
            out,
            "--seed",
            seed,
            *options,
        )
        data = Path(out) / data_name
        run_step("boxes", data)
        recipe = ()
        if has_fixed_pose(read_dataset(data)):
            print(
                "\nAll parts have the same pose under the camera, so the position of "
                "a feature may matter: augmented copies are not flipped, and are "
                "rotated by 3 degrees at most."
            )
            recipe = FIXED_POSE
        run_step("augment", data, "--balance", *recipe, "--seed", seed)
        shared = ["--data", data, "--runs", runs, "--seed", seed]
        members = [
            new_folder(runs, "train", "--model", model, *shared) for model in models
        ]
        members.append(
            new_folder(runs, "ensemble", *members, "--runs", runs, "--seed", seed)
        )
        everything += members
    report = new_folder(runs, "compare", *everything) / "report.html"
    print(f"total time: {time.perf_counter() - started:.0f} s")
    return report


def run_step(command: str, *arguments: Any) -> None:
    """Shows a command and runs it as a user would.

    Raises:
        SystemExit: With the command's status if it fails; the command has printed the
            reason.
    """
    words = [command, *map(str, arguments)]
    print(f"\n$ {command_line(shlex.join(words))}", flush=True)
    program = [sys.executable, "-P", "-m", "goodparts", *words]
    with subprocess.Popen(program) as process:
        process.wait()
    if process.returncode:
        sys.exit(process.returncode)


def new_folder(runs: str | Path, command: str, *arguments: Any) -> Path:
    """Runs a command and returns the run or report folder that it added."""
    before = _finished(runs)
    run_step(command, *arguments)
    added = _finished(runs) - before
    if len(added) != 1:
        raise InputError(
            f"{command} should add one folder to {runs}, but {len(added)} were added. "
            "If other commands write to this folder too, give the demo a separate "
            "folder with --runs."
        )
    return added.pop()


def _finished(runs):
    from evaluation.run_folder import UNFINISHED

    return {path for path in Path(runs).glob("[!.]*") if path.suffix != UNFINISHED}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data", help="folder of images; the embedded data set if omitted"
    )
    parser.add_argument(
        "--name", help="name of the data set; the name of the folder if omitted"
    )
    parser.add_argument(
        "--grouping",
        nargs="+",
        choices=GROUPINGS,
        default=["near_duplicates"],
        help="how to split; the results of several groupings are compared",
    )
    parser.add_argument("--normal-class", help="class of the good parts")
    parser.add_argument("--out", default="dataset", help="folder of all data sets")
    parser.add_argument("--runs", default="runs", help="folder of all run folders")
    parser.add_argument(
        "--seed", type=seed, default=0, help="seed of all random choices"
    )


def run(arguments: Namespace) -> None:
    with loading():
        from preprocessing.embedded_parts.render import render_dataset
    source = arguments.data
    if source is None:
        source = render_dataset(Path(arguments.out) / "raw" / "bottle_mouths")
    options = []
    if arguments.normal_class:
        options = ["--normal-class", arguments.normal_class]
    main_job(
        source,
        name=arguments.name or Path(source).resolve().name,
        groupings=arguments.grouping,
        out=arguments.out,
        runs=arguments.runs,
        options=options,
        seed=arguments.seed,
    )
