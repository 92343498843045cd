"""What the default threshold costs against the best one of the same scores.

    python3 benchmarks/thresholds.py                 drawn scores, some minutes
    python3 benchmarks/thresholds.py RUN [RUN ...]   scores of runs, two minutes each

The threshold is chosen on 1,000 small calibrations drawn anew. Its error is the mean of
the share of defects missed and of good parts rejected among everyone, its regret how
much larger that is than the least error that any threshold has. Of runs everyone is
`validate` and `test`, one image drawn of each group.
"""

import numpy as np
from figures import make_parser, sized, write_figures
from scipy.stats import norm

from evaluation.run_folder import read_run
from evaluation.thresholds import choose_threshold, describe_threshold
from goodparts.command import progress, run_command

NUM_TRIALS = sized(1000, 3)
POPULATION = sized(100_000, 2000)
SIZES = [(10, 5), (20, 20), (99, 50), (300, 50)]  # good, defective


def casting(random, count):
    """Most are far apart; of each kind one in eight looks like the other."""
    good = np.where(random.random(count) < 1 / 8, 0.97, 0.05)
    bad = np.where(random.random(count) < 1 / 8, 0.1, 0.98)
    return tuple(np.clip(x + random.normal(0, 0.03, count), 0, 1) for x in (good, bad))


def sure_network(random, count):
    """Probabilities of a network: near 0 and near 1, defects with a long tail."""
    return (
        norm.cdf(random.normal(-2, 0.8, count)),
        norm.cdf(random.normal(1.2, 1.2, count)),
    )


def overlapping(random, count):
    """Distances of a detector that hardly tells the two kinds apart."""
    return random.gamma(4, 1, count), random.gamma(4, 1.8, count)


def long_tail(random, count):
    """Distances of a detector; one good part in a hundred is very odd."""
    odd = np.where(random.random(count) < 0.01, 30, 0)
    return random.gamma(9, 0.5, count) + odd, random.gamma(9, 1.2, count)


DISTRIBUTIONS = {
    "casting": casting,
    "sure network": sure_network,
    "overlapping": overlapping,
    "long tail": long_tail,
}


def shipped(good, bad):
    """The threshold that a run gets."""
    scores = np.concatenate([good, bad])
    is_defect = np.repeat([False, True], [good.size, bad.size])
    groups = np.arange(scores.size).astype(str)
    return describe_threshold(scores, is_defect, groups)["value"]


def one_percent(good, bad):
    """The threshold of one rule for all sizes, as it was before."""
    scores = np.concatenate([good, bad])
    return choose_threshold(scores, np.repeat([False, True], [good.size, bad.size]))


def figures(name, good, bad, sizes, draw):
    """A row for each rule and size of calibration.

    Args:
        name: Of the scores.
        good, bad: Sorted scores of everyone.
        sizes: Pairs of numbers of good and of defective parts.
        draw: Calibration from a random generator and such a pair.
    """
    lines = np.append(np.unique(np.concatenate([good, bad])), np.inf)
    least = errors(lines, good, bad).min()
    for size in sizes:
        for rule in (shipped, one_percent):
            found = []
            trials = progress(range(NUM_TRIALS), name, NUM_TRIALS, unit="trial")
            for trial in trials:
                found.append(rule(*draw(np.random.default_rng(trial), size)))
            found = np.array(found)
            regrets = errors(found, good, bad) - least
            missed = np.searchsorted(bad, found) / bad.size
            yield {
                "scores": name,
                "rule": rule.__name__,
                "num_good": size[0],
                "num_defective": size[1],
                "least_error": round(least, 4),
                "mean_regret": round(regrets.mean(), 4),
                "regret_95": round(np.quantile(regrets, 0.95), 4),
                "mean_missed": round(missed.mean(), 4),
                "missed_95": round(np.quantile(missed, 0.95), 4),
            }


def errors(lines, good, bad):
    """The error of each line on sorted scores."""
    missed = np.searchsorted(bad, lines) / bad.size
    rejected = 1 - np.searchsorted(good, lines) / good.size
    return (missed + rejected) / 2


def drawn_figures():
    for name, distribution in DISTRIBUTIONS.items():
        everyone = distribution(np.random.default_rng(7), POPULATION)

        def draw(random, size, own=distribution):
            good, bad = own(random, max(size))
            return good[: size[0]], bad[: size[1]]

        yield from figures(name, *map(np.sort, everyone), SIZES, draw)


def run_figures(folder):
    run = read_run(folder)
    table = run.predictions
    table = table[table["split"] != "train"].groupby("group").sample(1, random_state=0)
    is_good = table["label"] == run.config["normal_class"]
    good, bad = (np.sort(table["defect_score"][rows]) for rows in (is_good, ~is_good))
    sizes = [size for size in SIZES if size[0] <= good.size and size[1] <= bad.size]

    def draw(random, size):
        kinds = zip((good, bad), size, strict=True)
        return [random.choice(scores, count) for scores, count in kinds]

    name = f"{run.config['model']} {run.config['dataset']}"
    yield from figures(name, good, bad, sizes or [(good.size, bad.size)], draw)


def main():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", help="run folders; drawn scores if none")
    arguments = parser.parse_args()
    if not arguments.runs:
        write_figures("thresholds", list(drawn_figures()), arguments.out)
    else:
        rows = [row for folder in arguments.runs for row in run_figures(folder)]
        write_figures("thresholds_runs", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
