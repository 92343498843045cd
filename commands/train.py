"""Trains one model on one data set and prints its run folder.

goodparts train --model NAME --data dataset/<name>
goodparts train --resume runs/<name>.unfinished
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from goodparts.command import command_line, seed
from goodparts.loading import loading
from models import MODELS, family_arguments


def add_arguments(parser: ArgumentParser) -> None:
    parser.epilog = f"Options of a model: {command_line('train --model NAME --help')}"
    add = parser.add_argument
    add("--model", metavar="NAME", help=f"one of {', '.join(MODELS)}")
    add("--resume", metavar="RUN", help="continue an unfinished run")
    add("--data", help="data set folder, dataset/<name>")
    add("--runs", default="runs", help="folder of all run folders")
    add("--seed", type=seed, default=0, help="seed of all random choices")


def parse(parser: ArgumentParser, words: list[str]) -> Namespace:
    """Reads the flags; those of a family depend on --model."""
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--model")
    first.add_argument("--resume")
    known, others = first.parse_known_args(words)
    if known.resume is not None:
        if known.model is not None or others:
            parser.error(
                "--resume continues one run with its original options, so it cannot "
                "be combined with other options"
            )
        return known
    if known.model is None:
        parser.parse_args(words)  # shows --help, and what else is wrong
        parser.error(f"--model is missing: choose one of {', '.join(MODELS)}")
    family_arguments(known.model, parser)
    arguments = parser.parse_args(words)
    if arguments.data is None:
        parser.error("--data is missing: give a data set folder, dataset/<name>")
    return arguments


def run(arguments: Namespace) -> None:
    with loading():
        from evaluation.run_folder import read_run
        from evaluation.summary_text import summary_line
        from models import family
    options = vars(arguments)
    resumed = options.pop("resume")
    if resumed is not None:
        folder = _resume(Path(resumed))
    else:
        folder = family(arguments.model).train(**options)
    print(summary_line(read_run(folder)))
    print(folder)


def _resume(folder):
    from evaluation.run_writer import read_unfinished
    from models import family

    begun = read_unfinished(folder)
    return family(begun["model"]).train(
        model=begun["model"],
        data=begun["dataset_folder"],
        runs=folder.parent,
        seed=begun["seed"],
        resume=folder,
        **begun["arguments"],
    )
