"""What 8-bit integers cost, and the gate that refuses too much of it."""

from deployment.bundle_decision import answers_of
from evaluation.wording import percent
from goodparts.command import InputError

MAX_OTHERWISE = 0.05  # share of validate that int8 may decide or name otherwise


def cost_of_int8(run, quantised):
    """What is lost by 8 bits, on the tables of the run and of its `quantised_run`.

    Returns:
        By split, the macro-F1 of both with their intervals, and the number of images
        that are decided or named otherwise.
    """
    costs = {}
    for split in ("validate", "test"):
        before, after = (answers_of(each, split) for each in (run, quantised))
        costs[split] = {
            "num_images": len(before),
            "num_otherwise": int((before != after).any(axis=1).sum()),
            **{
                name: each.metrics[split]["metrics"]["macro_f1"]
                for name, each in (("fp32", run), ("int8", quantised))
            },
        }
    return costs


def check_cost(cost):
    """Raises InputError if 8 bits change more of validate than MAX_OTHERWISE."""
    num_images, changed = cost["num_images"], cost["num_otherwise"]
    if changed > MAX_OTHERWISE * num_images:
        raise InputError(
            f"In int8 {changed} of {num_images} validate images are decided or named "
            f"otherwise, more than {MAX_OTHERWISE:.0%}: macro-F1 "
            f"{percent(cost['int8'])} instead of {percent(cost['fp32'])}. Export in "
            "fp32. Nothing was written."
        )
