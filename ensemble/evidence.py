"""The maps and instances of an ensemble, from those of its members on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.anomaly_maps import MEAN_RANGE, MapWriter, mean_map, read_map
from evaluation.found_instances import read_found
from evaluation.predictor import OUTPUTS
from goodparts.files import PathLike, write_json

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.run_folder import Run


def map_ranges(runs: Iterable[Run]) -> list[Sequence[float]]:
    """The range of the maps of each run that has maps."""
    return [run.config["map_range"] for run in runs if "map" in run.outputs]


def write_evidence(
    folder: PathLike, runs: Sequence[Run], table: pd.DataFrame
) -> dict[str, Any]:
    """Writes the maps and instances of an ensemble, and adds their paths to its table.

    Args:
        folder: Folder of the new run.
        runs: The members.
        table: Its predictions table; the column map_path is added if there are maps.

    Returns:
        Their entries in config.json: `outputs`, and with maps `map_range`.
    """
    outputs = {name for run in runs for name in run.outputs} - {"clips"}
    about = {}
    with_maps = [run for run in runs if "map" in run.outputs]
    if with_maps:
        table["map_path"] = _write_maps(folder, with_maps, table)
        about["map_range"] = MEAN_RANGE
    if "instances" in outputs:
        results = [read_found(run.folder) for run in runs if "instances" in run.outputs]
        joined = [
            result
            for sample in table["sample_id"]
            for found in results
            for result in found.get(sample, [])
        ]
        write_json(Path(folder) / "instances.json", joined)
    frames = max(run.config.get("num_frames", 1) for run in runs)
    if frames > 1:
        outputs.add("clips")
        about["num_frames"] = frames
    return {"outputs": [name for name in OUTPUTS if name in outputs], **about}


def _write_maps(folder, runs, table):
    writer, ranges = MapWriter(folder), map_ranges(runs)
    paths = [run.predictions.set_index("sample_id")["map_path"] for run in runs]
    for sample in table["sample_id"]:
        maps = [
            read_map(run.folder / each[sample])
            for run, each in zip(runs, paths, strict=True)
        ]
        writer.write(sample, mean_map(maps, ranges), is_good=False)
    return [writer.paths[sample] for sample in table["sample_id"]]
