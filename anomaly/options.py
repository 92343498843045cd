"""The options of each detector, checked and completed before Keras is imported."""

from __future__ import annotations

from typing import Any

from anomaly.arguments import (
    AUTOENCODER_LOSSES,
    BANK_SIZE,
    BATCH_SIZE,
    COLOURS,
    PATCH_SIZE,
    RATE,
    RESIDUALS,
)
from backbones import BACKBONES, choose_alpha, find_weights
from goodparts.command import InputError

SIDES = 32  # what the sides of the canvas of an autoencoder are multiples of
PATCH_SIDES = 4  # the same of a patch


def backbone_options(
    image_size: tuple[int, int] | None,
    *,
    backbone: str = "mobilenetv2",
    weights: str = "imagenet",
    alpha: float | None = None,
) -> dict[str, Any]:
    """The options of `gaussian`, resolved.

    Args:
        image_size: `(height, width)` of what the network sees; None to choose it.
        backbone: A key of BACKBONES.
        weights: "imagenet", "none" or a file.
        alpha: Width of mobilenetv2; 1.0 if None.

    Raises:
        InputError: If an option does not fit the backbone.
    """
    alpha = choose_alpha(backbone, alpha)
    smallest = BACKBONES[backbone].smallest_side
    if image_size is not None and min(image_size) < smallest:
        raise InputError(
            f"--image-size with {backbone} must be {smallest} {smallest} or more. "
            f"Received: {image_size[0]} {image_size[1]}."
        )
    find_weights(backbone, weights, alpha)
    return {"backbone": backbone, "weights": str(weights), "alpha": alpha}


def bank_options(
    image_size: tuple[int, int] | None,
    *,
    bank_size: int = BANK_SIZE,
    **of_backbone: Any,
) -> dict[str, Any]:
    """The options of `memory_bank`: see `backbone_options`, and patches to keep."""
    return backbone_options(image_size, **of_backbone) | {"bank_size": bank_size}


def noise_options(
    image_size: tuple[int, int] | None,
    *,
    known_defects: bool = False,
    **of_backbone: Any,
) -> dict[str, Any]:
    """The options of `feature_noise`: see `backbone_options`, and whether it learns
    from the defective parts of train too.
    """
    return backbone_options(image_size, **of_backbone) | {
        "known_defects": known_defects
    }


def no_options(image_size: tuple[int, int] | None) -> dict[str, Any]:
    """`colour_novelty` has no options of its own."""
    return {}


def autoencoder_options(
    image_size: tuple[int, int] | None,
    *,
    epochs: int | None = None,
    batch_size: int = BATCH_SIZE,
    loss: str = AUTOENCODER_LOSSES[0],
    residual: str = RESIDUALS[0],
    colours: str = COLOURS[0],
    learning_rate: float = RATE,
    find_lr: bool = False,
) -> dict[str, Any]:
    """The options of autoencoders, resolved.

    Args:
        image_size: `(height, width)` of the canvas; None to choose it.
        epochs: At most; as many as give about STEPS steps if None.
        batch_size: Images in a step.
        loss: One of AUTOENCODER_LOSSES.
        residual: One of RESIDUALS.
        colours: One of COLOURS.
        learning_rate: The highest.
        find_lr: Whether that is found by a search instead.

    Raises:
        InputError: If the canvas cannot be halved often enough.
    """
    if image_size is not None and any(side % SIDES for side in image_size):
        raise InputError(
            f"--image-size of an autoencoder must be multiples of {SIDES}. Received: "
            f"{image_size[0]} {image_size[1]}."
        )
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "loss": loss,
        "residual": residual,
        "colours": colours,
        "learning_rate": learning_rate,
        "find_lr": find_lr,
    }


def patch_options(
    image_size: tuple[int, int] | None, *, patch_size: int = PATCH_SIZE, **others: Any
) -> dict[str, Any]:
    """The options of `patch_autoencoder`: see `autoencoder_options`, and the side of a
    patch in pixels.
    """
    if patch_size % PATCH_SIDES or patch_size < SIDES:
        raise InputError(
            f"--patch-size must be a multiple of {PATCH_SIDES}, at least {SIDES}. "
            f"Received: {patch_size}."
        )
    return autoencoder_options(image_size, **others) | {"patch_size": patch_size}
