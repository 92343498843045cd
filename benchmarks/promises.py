"""How often the promises of `decide` are broken, over 1,000 calibrations drawn anew.

    python3 benchmarks/promises.py                 drawn scores, five minutes
    python3 benchmarks/promises.py RUN [RUN ...]   scores of runs, a minute each

A promise with 95 % confidence may be broken by 5 % of the calibrations (standard
error 0.7 points); one on average must hold for the mean over them. The true rate is
that of 200,000 drawn groups. Of runs, calibrations as large as `validate` are drawn
with replacement from the groups of `validate` and `test`, whose rate is then the true
one; for "halves" one half of these groups is the calibration, the other is judged.
"""

import numpy as np
import pandas as pd
from figures import make_parser, sized, write_figures

from decisions.guarantees import CONFIDENCE, strongest_rate
from decisions.lines import lines_by_promise
from decisions.open_set import probability_floor
from evaluation.intervals import AVERAGE, upper_bound
from evaluation.predictions import probabilities_of
from evaluation.run_folder import read_run
from goodparts.command import progress, run_command

NUM_TRIALS = sized(1000, 3)
POPULATION = sized(200_000, 2000)  # groups
CASES = [  # groups, images in each, promise
    (40, 1, 0.1),
    (40, 6, 0.2),
    (100, 1, 0.05),
    (100, 6, 0.1),
    (300, 2, 0.01),
]


def saturated(random, shape):
    """Like a sure network: in four digits, most are exactly 1."""
    return np.round(1 / (1 + np.exp(-random.normal(6, 4, shape))), 4)


def hard_groups(random, shape):
    """One group in ten is hard, and the images of a group are alike."""
    middle = np.where(random.random((shape[0], 1)) < 0.1, 0.3, 0.9)
    return middle + random.normal(0, 0.1, shape)


def heavy_tails(random, shape):
    """Like the distances of a detector, without bounds."""
    return random.standard_t(2, shape) + random.standard_t(2, (shape[0], 1))


DISTRIBUTIONS = {  # of scores `(groups, images)`; the lowest of a group is its worst
    "uniform": lambda random, shape: random.random(shape),
    "saturated": saturated,
    "hard groups": hard_groups,
    "heavy tails": heavy_tails,
}


def miss_line(scores, others, max_rate, confidence):
    """`accept_below` for groups of defects `(groups, images)` among good parts."""
    return _lines(
        scores, others, "bad", "good", max_miss=max_rate, confidence=confidence
    )[0]


def false_reject_line(scores, others, max_rate, confidence):
    """`reject_from` for groups of good parts; all scores and the line are negated."""
    line = _lines(
        -scores,
        -others,
        "good",
        "bad",
        max_false_reject=max_rate,
        confidence=confidence,
    )[1]
    return -np.nextafter(line, -np.inf)  # a good part is wrong at the line too


def unlike_line(scores, others, max_rate, confidence):
    """The probability floor, where scores are those of the best class."""
    groups = np.repeat(np.arange(len(scores)), scores.shape[1])
    return probability_floor(scores.reshape(-1, 1), groups, max_rate)


def _lines(scores, others, label, other_label, **promise):
    groups = np.repeat(np.arange(len(scores)), scores.shape[1])
    table = pd.DataFrame(
        {
            "defect_score": np.concatenate([scores.ravel(), others]),
            "label": [label] * scores.size + [other_label] * others.size,
            "group": np.concatenate([groups, len(scores) + np.arange(others.size)]),
        }
    )
    return lines_by_promise(table, normal_class="good", **promise)


def figure(rule, draw, others, max_rate, confidence):
    """Draws lines on many calibrations and compares true rates with the promise.

    Args:
        rule: One of the three above.
        draw: Gives the scores of a calibration `(groups, images)` and the sorted worst
            scores of the groups that tell the true rate.
        others: Scores of parts of the other kind.
        max_rate, confidence: The promise.
    """
    rates = []
    for trial in progress(range(NUM_TRIALS), rule.__name__, NUM_TRIALS, unit="trial"):
        scores, judged = draw(np.random.default_rng(trial))
        line = rule(scores, others, max_rate, confidence)
        rates.append(np.searchsorted(judged, line) / judged.size)
    return {
        "promise": rule.__name__.removesuffix("_line"),
        "max_rate": max_rate,
        "holds": confidence,
        "broken": (np.array(rates) > max_rate + 1e-9).mean(),
        "mean_rate": np.round(np.mean(rates), 5),
    }


def drawn_figures():
    for name, distribution in DISTRIBUTIONS.items():
        for num_groups, num_images, max_rate in CASES:
            everyone = distribution(np.random.default_rng(7), (POPULATION, num_images))
            judged = np.sort(everyone.min(axis=1))
            others = np.quantile(judged, np.linspace(0, 1, 500))  # leave no slack

            def draw(
                random, own=distribution, shape=(num_groups, num_images), all_=judged
            ):
                return own(random, shape), all_

            for rule in (miss_line, false_reject_line):
                for holds in (CONFIDENCE, AVERAGE):
                    if upper_bound(0, num_groups, holds) <= max_rate:
                        yield {
                            "scores": name,
                            "groups": num_groups,
                            "images_per_group": num_images,
                            **figure(rule, draw, others, max_rate, holds),
                        }


def run_figures(folder):
    """The same with the scores of a run, each group by its worst image."""
    run = read_run(folder)
    table = run.predictions
    is_good = (table["label"] == run.config["normal_class"]).to_numpy()
    scores = table["defect_score"].to_numpy()
    rules = [(miss_line, scores, ~is_good), (false_reject_line, -scores, is_good)]
    if "classes" in run.outputs:
        best = probabilities_of(table, run.config["classes"]).max(axis=1)
        rules.append((unlike_line, best, np.ones(len(table), bool)))
    for rule, worse, rows in rules:
        own = table[rows].assign(worse=worse[rows])
        pool = np.sort(own.groupby("group")["worse"].min())
        size = own["group"][own["split"] == "validate"].nunique()

        def resample(random, pool=pool, size=size):
            return random.choice(pool, (size, 1)), pool

        def halve(random, pool=pool):
            mixed = random.permutation(pool)
            return mixed[: pool.size // 2, None], np.sort(mixed[pool.size // 2 :])

        ways = [("resampled", resample, AVERAGE), ("halves", halve, AVERAGE)]
        if rule is not unlike_line:
            ways.insert(0, ("resampled", resample, CONFIDENCE))
        for way, draw, holds in ways:
            num_groups = size if draw is resample else pool.size // 2
            strongest = strongest_rate(num_groups, holds)
            for max_rate in (strongest, min(0.5, 3 * strongest)):
                yield {
                    "scores": f"{way} {run.config['model']} {run.config['dataset']}",
                    "groups": num_groups,
                    "images_per_group": round(len(own) / own["group"].nunique(), 1),
                    **figure(rule, draw, worse[~rows], max_rate, holds),
                }


def main():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", help="run folders; drawn scores if none")
    arguments = parser.parse_args()
    if not arguments.runs:
        write_figures("decisions", list(drawn_figures()), arguments.out)
    else:
        rows = [row for folder in arguments.runs for row in run_figures(folder)]
        write_figures("decisions_runs", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
