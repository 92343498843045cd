"""What `suggest` found, as text, table and pictures.

suggestion.json has `presets`, for each its `flags`, its `auroc` against synthetic
defects with its interval, `by_kind`, and `is_clearly_worse` than the best one; `best`,
which of them that is, counted from 0; `num_images`, `data`, the `facts` of the good
parts and what all this `cannot_tell`.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anomaly.good_facts import GoodFacts, facts_lines
from anomaly.synthetic_defects import KINDS
from evaluation.overlay import draw_overlay
from evaluation.wording import WIDTH
from goodparts.command import command_line
from goodparts.files import replace_folder, write_csv, write_json
from preprocessing.images import resize, write_image

PICTURES = 4  # of each kind of defect
SIDE = 240  # of a picture, pixels
CANNOT_TELL = (
    "These defects were drawn by a program onto held-out good parts of train. They "
    "tell whether a preset notices clear changes of a kind at all. They do not tell "
    "how many real defects it will find, and they cannot separate presets that are "
    "close: the figures are no expected accuracy. Judge the chosen detector on real "
    "defects as soon as there are some."
)


class Pictures:
    """A few examples of each kind of defect, small, with the maps of all presets."""

    def __init__(self) -> None:
        self._examples: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._maps: dict[str, list[list[np.ndarray]]] = {}
        self._highest: list[list[float]] = []

    def add(
        self,
        kind: str,
        image: np.ndarray,
        mask: np.ndarray,
        maps: Sequence[np.ndarray],
    ) -> None:
        """Takes an image, where its defect is, and the map of each preset; `kind` is
        empty for one without a defect."""
        if not kind:
            self._highest.append([float(each.max()) for each in maps])
            return
        if len(self._examples.setdefault(kind, [])) < PICTURES:
            small = resize(mask.astype(np.uint8), (SIDE, SIDE)) > 0
            self._examples[kind].append((resize(image, (SIDE, SIDE)), small))
            self._maps.setdefault(kind, []).append(list(maps))

    def of_kind(self, kind: str, preset: int) -> np.ndarray | None:
        """Rows of image, defect outlined, and map of a preset; None without any.

        In full colour is twice the usual highest value of a good part.
        """
        full = 2 * float(np.median([each[preset] for each in self._highest]))
        rows = []
        for (image, mask), maps in zip(
            self._examples.get(kind, []), self._maps.get(kind, []), strict=True
        ):
            heat = np.clip(maps[preset] / max(full, 1e-6), 0, 1)
            panels = (
                image,
                draw_overlay(image, truth=mask),
                draw_overlay(image, heat=heat),
            )
            rows.append(np.concatenate(panels, axis=1))
        return np.concatenate(rows) if rows else None


def suggestion_text(record: dict[str, Any]) -> str:
    """The result of `suggest` as plain text."""
    lines = textwrap.wrap(" ".join(facts_lines(GoodFacts(**record["facts"]))), WIDTH)
    presets, best = record["presets"], record["presets"][record["best"]]
    width = max(len(kind) for kind in KINDS)
    flags = [each["flags"].removeprefix("--model ") for each in presets]
    lines += ["", f"{'AUROC against':{width}}  {'  '.join(flags)}"]
    for kind in ("all kinds", *KINDS):
        values = [
            each["auroc"]["value"] if kind == "all kinds" else each["by_kind"][kind]
            for each in presets
        ]
        shown = ["–" if value is None else f"{value:.2f}" for value in values]
        cells = (
            f"{text:<{len(flag)}}" for text, flag in zip(shown, flags, strict=True)
        )
        lines.append(f"{kind:{width}}  {'  '.join(cells)}".rstrip())
    others = [
        each["flags"]
        for each in presets
        if not each["is_clearly_worse"] and each is not best
    ]
    data = record["data"]
    verdict = f"Try first: {command_line('train')} {best['flags']} --data {data}"
    also = f"Not clearly worse: {'; '.join(others)}." if others else ""
    tail = [verdict, also, CANNOT_TELL, f"Pictures and table: {record['folder']}"]
    return "\n".join([*lines, "", *(textwrap.fill(x, WIDTH) for x in tail if x)])


def write_suggestion(folder: Path, record: dict[str, Any], pictures: Pictures) -> None:
    """Writes suggestion.json, table.csv and a picture of each kind of defect."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_json(partial / "suggestion.json", record)
    table = [
        {"preset": each["flags"], **each["auroc"], **each["by_kind"]}
        for each in record["presets"]
    ]
    write_csv(partial / "table.csv", pd.DataFrame(table))
    for kind in KINDS:
        picture = pictures.of_kind(kind, record["best"])
        if picture is not None:
            write_image(partial / f"{kind.replace(' ', '_')}.jpg", picture)
    replace_folder(partial, folder)
