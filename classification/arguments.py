"""The flags of `goodparts train` for classifiers, and the settings they give."""

import argparse
from pathlib import Path

from backbones import BACKBONES
from goodparts.command import InputError, positive_int
from goodparts.files import PathLike

HEAD_RATE, FEATURES_RATE = 1e-3, 2e-4
LABEL_SMOOTHING = 0.1
BATCH, SMALL_BATCH = 32, 16  # images in a step; the latter for small_cnn
LOSSES = ("weighted", "cross_entropy", "focal")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="size of the images in pixels; chosen from the images if omitted",
    )
    parser.add_argument(
        "--weights", default="imagenet", help="imagenet, none or a weights file"
    )
    parser.add_argument(
        "--alpha", type=float, help="width multiplier of mobilenetv2, such as 0.35"
    )
    parser.add_argument(
        "--epochs",
        type=_number(int, 0, 10_000),
        help="epochs of fine-tuning (0: train only the head) or of training from "
        "scratch; chosen automatically if omitted",
    )
    parser.add_argument(
        "--batch-size", type=positive_int, default=32, help="images in one step"
    )
    rate = _number(float, 1e-9, 1.0)
    parser.add_argument(
        "--head-rate",
        default=HEAD_RATE,
        type=rate,
        metavar="RATE",
        help="highest learning rate of the head",
    )
    parser.add_argument(
        "--features-rate",
        default=FEATURES_RATE,
        type=rate,
        metavar="RATE",
        help="highest learning rate of the pretrained features",
    )
    parser.add_argument(
        "--unfreeze",
        metavar="EPOCH:BLOCKS,...",
        help="how many of the last blocks are trained, from which epoch of "
        "fine-tuning on, such as 0:2,10:4,15:8",
    )
    parser.add_argument(
        "--loss", choices=LOSSES, default=LOSSES[0], help="loss function"
    )
    parser.add_argument(
        "--label-smoothing",
        type=_number(float, 0, 0.9),
        default=LABEL_SMOOTHING,
        help="fraction of each label that is distributed over all classes",
    )


def parse_schedule(text: str) -> dict[int, int]:
    """Parses "0:2,10:4" as {0: 2, 10: 4}: from which epoch on how many last blocks.

    Raises:
        InputError: If the text is not such a list, or epochs or blocks decrease.
    """
    try:
        pairs = (map(int, part.split(":")) for part in text.split(","))
        epochs, blocks = zip(*pairs, strict=True)
    except ValueError:
        epochs, blocks = (), ()
    if not (
        epochs
        and sorted(set(epochs)) == list(epochs)
        and sorted(blocks) == list(blocks)
        and min(epochs[0], blocks[0]) >= 0
    ):
        raise InputError(
            "--unfreeze must be pairs EPOCH:BLOCKS with epochs from 0 on, and "
            "neither the epochs nor the blocks may decrease, such as 0:2,10:4,15:8. "
            f"Received: {text!r}."
        )
    return dict(zip(epochs, blocks, strict=True))


def choose_schedule(
    model: str, text: str | None, *, weights: str, epochs: int | None
) -> str | None:
    """The schedule of fine-tuning as text, the backbone's own if there is none.

    Returns:
        None where nothing is fine-tuned.

    Raises:
        InputError: If there is nothing to unfreeze or to train at all, or no epoch to
            do it in.
    """
    if weights == "none" and epochs == 0:
        raise InputError(
            "--epochs 0 trains a head on pretrained features, which do not exist "
            "without weights. Give --weights, or 1 epoch or more."
        )
    if weights == "none" or epochs == 0:
        if text is not None:
            raise InputError(
                "--unfreeze applies to the fine-tuning of a pretrained backbone. "
                "Omit it for small_cnn, with --weights none and with --epochs 0."
            )
        return None
    if text is None:
        schedule = BACKBONES[model].unfreeze.items()
        text = ",".join(f"{epoch}:{blocks}" for epoch, blocks in schedule)
    last = max(parse_schedule(text))
    if epochs is not None and last >= epochs:
        raise InputError(
            f"--unfreeze {text} starts its last step in epoch {last}, counted from 0, "
            f"but there are only {epochs} epochs. Give more --epochs, or omit that "
            "option."
        )
    return text


def choose_weights(model: str, weights: PathLike) -> str:
    """ "imagenet", "none" or the whole path of a file; "none" for small_cnn."""
    weights = str(weights)
    if model not in BACKBONES:
        if weights not in ("imagenet", "none"):
            raise InputError(f"--weights: {model} has no pretrained weights.")
        return "none"
    return weights if weights in ("imagenet", "none") else str(Path(weights).resolve())


def _number(kind, least, most):
    """argparse type: a number of a kind between two limits."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"must be a number from {least:g} to {most:g}. Received: {text!r}."
            )
        return value

    return parse
