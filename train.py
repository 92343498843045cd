"""Trains one model on one data set and prints its run folder.

pipenv run train --model NAME --data dataset/<name>
pipenv run train --resume runs/<name>.unfinished
"""

if __name__ == "__main__":
    from goodparts.loading import begin_loading

    begin_loading()

from pathlib import Path

from evaluation.comparison.leaderboard import can_rank, leading_metric
from evaluation.metric_table import METRICS
from evaluation.run_folder import read_run
from evaluation.run_writer import read_unfinished
from evaluation.thresholds import threshold_text
from evaluation.wording import percent
from goodparts.command import command_parser, run_command, seed
from models import MODELS, family


def main():
    parser = command_parser(
        __doc__.split("\n")[0],
        epilog="What a model can be told: pipenv run train --model NAME --help",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("--model", help=f"one of {', '.join(MODELS)}")
    parser.add_argument("--resume", metavar="RUN", help="go on with an unfinished run")
    known, others = parser.parse_known_args()
    parser.add_argument("-h", "--help", action="help")
    if known.resume is not None:
        if known.model is not None or others:
            parser.error("--resume takes one run, which goes on as it was begun")
        run = _resume(Path(known.resume))
    else:
        run = _train(parser, known.model)
    print(summary(read_run(run)))
    print(run)


def _train(parser, name):
    parser.add_argument(
        "--data", required=name is not None, help="data set folder, dataset/<name>"
    )
    parser.add_argument("--runs", default="runs", help="folder of all run folders")
    parser.add_argument("--seed", type=seed, default=0, help="of all random choices")
    if name is None:
        parser.parse_args()
        parser.error(f"--model is missing, one of {', '.join(MODELS)}")
    package = family(name)
    package.add_arguments(parser)
    arguments = vars(parser.parse_args())
    del arguments["resume"]
    return package.train(**arguments)


def _resume(folder):
    begun = read_unfinished(folder)
    return family(begun["model"]).train(
        model=begun["model"],
        data=begun["dataset_folder"],
        runs=folder.parent,
        seed=begun["seed"],
        resume=folder,
        **begun["arguments"],
    )


def summary(run):
    """One line on how the run does on `validate`."""
    metrics = run.metrics["validate"]["metrics"]
    if not can_rank([run]):
        return f"threshold {run.threshold:.4g}: {threshold_text(run.threshold_record)}"
    leading = leading_metric([run])
    said = f"on validate: {METRICS[leading].title} {percent(metrics[leading])}"
    if run.threshold is None:
        return said
    return (
        f"{said}; at the threshold {run.threshold:.3g} it misses "
        f"{percent(metrics['miss_rate'])} of the defects and rejects "
        f"{percent(metrics['false_reject_rate'])} of the good parts"
    )


if __name__ == "__main__":
    run_command(main)
