"""The console command `goodparts NAME ...`.

Every NAME is a module of `commands`, which defines the options and imports the rest
after they are parsed, so that a wrong option is reported at once.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from goodparts.command import command_line, command_parser, run_command
from goodparts.loading import ending_at_ctrl_c

GROUPS = {
    "data": {
        "folders": "make a data set, split into train, validate and test",
        "boxes": "write Pascal VOC and COCO boxes from masks",
        "augment": "write augmented copies of the training images",
        "frames": "turn recordings into images",
        "suggest": "suggest a one-class detector, from good parts alone",
    },
    "models": {
        "train": "train a model",
        "ensemble": "combine trained models",
        "evaluate": "compute metrics and plots, and list the mistakes of a run",
        "compare": "compare runs in a leaderboard and a report",
        "decide": "choose decision thresholds with stated error rates",
        "tune": "choose the threshold and the least area of defects in anomaly maps",
        "demo": "run all these steps, on the embedded data set or your own images",
    },
    "production": {
        "export": "export a run as a bundle, which is checked against the run",
        "predict": "classify images with a bundle or a run",
        "live": "inspect a camera, a recording or a folder",
        "verify-log": "check the event log of a live inspection",
    },
}
NAMES = [name for group in GROUPS.values() for name in group]


def main(words: Sequence[str] | None = None) -> None:
    """The entry point: reads a name and flags, runs the command.

    Args:
        words: What follows `goodparts`; those of the process if None.

    Raises:
        SystemExit: With status 2 if the name or a flag is wrong.
    """
    name, *words = (sys.argv[1:] if words is None else words) or [""]
    if name in NAMES:
        run_named(name, words, command_line(name))
    elif name in ("-h", "--help", "help"):
        print(overview())
    elif name == "--version":
        from importlib.metadata import version

        print(version("goodparts"))
    else:
        _stop_at_unknown(name)


def start(name: str) -> NoReturn:
    """Runs a command from the script that is executed, as `python3 SCRIPT ...`."""
    run_named(name, sys.argv[1:], f"python3 {sys.argv[0]}")
    sys.exit()


def run_named(name: str, words: Sequence[str], typed: str) -> None:
    """Reads the flags of a command and runs it.

    Args:
        name: One of NAMES.
        words: Its flags and arguments.
        typed: How it was called, for its usage line.
    """
    run_command(partial(_parse_and_run, name, words, typed))


def _parse_and_run(name, words, typed):
    with ending_at_ctrl_c():
        command = importlib.import_module(f"commands.{name.replace('-', '_')}")
        parser = command_parser(command.__doc__, prog=typed)
        command.add_arguments(parser)
        parse = getattr(command, "parse", None)
        arguments = parse(parser, words) if parse else parser.parse_args(words)
    command.run(arguments)


def overview() -> str:
    """The help of `goodparts` alone."""
    lines = [
        "usage: goodparts COMMAND ...",
        "",
        "Visual inspection in production: distinguishes good parts from defective "
        "ones.",
    ]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:12}{text}" for name, text in commands.items()]
    lines += ["", f"Options of a command: {command_line('COMMAND --help')}"]
    return "\n".join(lines)


def _stop_at_unknown(name):
    near = difflib.get_close_matches(name, NAMES, 1)
    if not name:
        print(f"{overview()}\n\nerror: No command was given.", file=sys.stderr)
    else:
        hint = f" Did you mean {near[0]}?" if near else ""
        listed = "goodparts --help lists all commands."
        print(f"error: There is no command {name!r}.{hint} {listed}", file=sys.stderr)
    sys.exit(2)
