"""The flags of `goodparts train` for classifiers, and the settings they give."""

import argparse
from pathlib import Path

from backbones import BACKBONES
from goodparts.command import InputError, positive_int
from goodparts.files import PathLike

HEAD_RATE, FEATURES_RATE = 1e-3, 2e-4
LABEL_SMOOTHING = 0.1
LOSSES = ("weighted", "cross_entropy", "focal")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image-size",
        type=positive_int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="chosen from the images if left out",
    )
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, a file")
    parser.add_argument("--alpha", type=float, help="width of mobilenetv2, e.g. 0.35")
    parser.add_argument(
        "--epochs",
        type=_number(int, 0, 10_000),
        help="of fine-tuning (0: the head alone) or from scratch; chosen if left out",
    )
    parser.add_argument(
        "--batch-size", type=positive_int, default=32, help="images in a step"
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
        help="from which epoch of fine-tuning how many of the last blocks are trained, "
        "such as 0:2,10:4,15:8",
    )
    parser.add_argument(
        "--loss", choices=LOSSES, default=LOSSES[0], help="what training lowers"
    )
    parser.add_argument(
        "--label-smoothing",
        type=_number(float, 0, 0.9),
        default=LABEL_SMOOTHING,
        help="share of every label that is spread over all classes",
    )


def choose_alpha(model: str, alpha: float | None) -> float | None:
    """The width of a network that has widths, 1.0 if not asked for; else None.

    Raises:
        InputError: If there is no such width.
    """
    alphas = BACKBONES[model].alphas if model in BACKBONES else ()
    if alpha is None:
        return 1.0 if alphas else None
    if alpha not in alphas:
        known = f"one of {', '.join(map(str, alphas))}" if alphas else "left out"
        raise InputError(f"--alpha of {model} must be {known}. Received: {alpha:g}.")
    return float(alpha)


def parse_schedule(text: str) -> dict[int, int]:
    """Reads "0:2,10:4" as {0: 2, 10: 4}: from which epoch on how many last blocks.

    Raises:
        InputError: If it is no such list, or epochs or blocks go back.
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
            "--unfreeze must name epochs from 0 on and numbers of blocks, neither "
            f"falling, such as 0:2,10:4,15:8. Received: {text!r}."
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
            "--epochs 0 trains a head on pretrained features, and without weights "
            "there are none. Give --weights, or 1 epoch and more."
        )
    if weights == "none" or epochs == 0:
        if text is not None:
            raise InputError(
                "--unfreeze is for the pretrained blocks of a backbone, from epoch 0 "
                "of fine-tuning on. Leave it out for small_cnn, with --weights none "
                "and with --epochs 0."
            )
        return None
    if text is None:
        schedule = BACKBONES[model].unfreeze.items()
        text = ",".join(f"{epoch}:{blocks}" for epoch, blocks in schedule)
    last = max(parse_schedule(text))
    if epochs is not None and last >= epochs:
        raise InputError(
            f"--unfreeze {text} begins its last part in epoch {last}, counted from 0, "
            f"and there are {epochs}. Give more --epochs, or leave them out."
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
