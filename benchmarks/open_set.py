"""What becomes of a kind of defect that nobody taught: each is left out once.

    REAL_DATA=... python3 benchmarks/open_set.py [magnetic_tile] [bottles]

A quarter of an hour on two cores: for each defect class the head of a mobilenetv2 is
trained on a data set without it. The lines are those of the strongest promises that
validate carries with 95 % confidence, however many good parts they inspect.

    one_line        share of the images of the class left out that a threshold of 0.5
                    on the defect score accepts
    accept, reject, inspect, unlike    share that the lines and the floor send there
    good_inspected  share of good test images that go to inspection
    known_unlike    share of test groups that go there as unlike every class
"""

import tempfile
from pathlib import Path

from figures import QUICK, make_parser, real_data, sized, write_figures

from classification.train import train
from decisions.guarantees import CONFIDENCE, strongest_rate
from decisions.lines import lines_by_promise
from decisions.open_set import probability_floor
from decisions.rule import DECISIONS, UNLIKE, Decision, decide_parts
from evaluation.predictions import predict_rows, probabilities_of
from evaluation.run_folder import read_run
from goodparts.command import run_command
from models import load_predictor
from preprocessing.create_folders import create_folders
from preprocessing.manifest import SPLITS, read_dataset

SIZES = {"magnetic_tile": (160, 160), "bottles": (288, 112)}
NAMES, LEFT_OUT = sized((list(SIZES), None), (["bottles"], 1))  # classes of each
SHARES = (0.01, 0.05)  # of known parts that may be unlike every class


def rows_of(name, folder):
    """Trains without each defect class and decides its images."""
    source = real_data(name)
    create_folders(source, out=folder, link=True)
    everything = read_dataset(folder / name)
    strange_classes = sorted(set(everything.classes) - {everything.normal_class})
    for left_out in strange_classes[:LEFT_OUT]:
        taught = folder / f"without {left_out}"
        taught.mkdir()
        for label in set(everything.classes) - {left_out}:
            (taught / label).symlink_to(source / label)
        data = create_folders(
            taught, out=folder / "taught", normal_class=everything.normal_class
        )[0].folder
        run = train(
            model="mobilenetv2",
            data=data,
            runs=folder / "runs",
            **{"image_size": SIZES[name], "epochs": 0} | QUICK,
        )
        manifest = everything.manifest
        strange, _ = predict_rows(
            load_predictor(run),
            everything._replace(manifest=manifest[manifest["label"] == left_out]),
            *SPLITS,
            folder=folder / f"of {left_out}",
        )
        for share in SHARES:
            yield {
                "data": name,
                "left_out": left_out,
                "images": len(strange),
                "may_go": share,
                **shares(read_run(run), strange, share),
            }


def shares(run, strange, max_unlike):
    """What `decide` makes of the strange parts, and of the known ones of test."""
    classes, normal_class = run.config["classes"], run.config["normal_class"]
    table = run.predictions
    validate, test = (table[table["split"] == split] for split in ("validate", "test"))
    is_good = validate["label"] == normal_class
    lines = lines_by_promise(
        validate,
        normal_class=normal_class,
        max_miss=strongest_rate(validate["group"][~is_good].nunique(), CONFIDENCE),
        max_false_reject=strongest_rate(
            validate["group"][is_good].nunique(), CONFIDENCE
        ),
    )
    floor = probability_floor(
        probabilities_of(validate, classes), validate["group"], max_unlike
    )
    decided = [
        decide_parts(
            Decision(*lines, floor),
            part["defect_score"],
            probabilities_of(part, classes),
        )
        for part in (strange, test)
    ]
    decisions, reasons = decided[0]
    known = test.assign(
        is_inspected=decided[1][0] == "inspect", is_unlike=decided[1][1] == UNLIKE
    )
    goods = known[known["label"] == normal_class]
    figures = {
        "one_line": (strange["defect_score"] < 0.5).mean(),
        **{kind: (decisions == kind).mean() for kind in DECISIONS},
        "unlike": (reasons == UNLIKE).mean(),
        "good_inspected": goods["is_inspected"].mean(),
        "known_unlike": known.groupby("group")["is_unlike"].any().mean(),
    }
    return {key: round(float(value), 3) for key, value in figures.items()}


def main():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("data", nargs="*", help=f"of {', '.join(SIZES)}; all if none")
    arguments, rows = parser.parse_args(), []
    for name in arguments.data or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            rows += rows_of(name, Path(folder))
    write_figures("open_set", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
