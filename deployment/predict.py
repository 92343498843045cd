"""Predictions for images, by a bundle or by a finished run."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from deployment.bundle import ABOUT, SUFFIX
from deployment.runtime import Inspector, Verdict, deep, load_bundle
from deployment.tiles import check_tiles, tiled
from deployment.trust import Trust
from evaluation.anomaly_maps import heat
from evaluation.overlay import draw_overlay
from goodparts.command import InputError
from goodparts.files import escaped
from preprocessing.folder_walk import walk
from preprocessing.images import is_image, read_image, write_image


def predict(
    model: str | Path,
    paths: Iterable[str | Path],
    *,
    overlays: str | Path | None = None,
    bit_depth: int | None = None,
    trust: Trust | None = None,
    tile_size: int | None = None,
    on_verdict: Callable[[Path, Verdict, Inspector], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Predicts images one by one.

    Args:
        model: Folder of a bundle or of a finished run.
        paths: Image files, or folders that are searched for images.
        overlays: Folder for a picture of every image with its anomaly map and
            instances; None for none.
        bit_depth: Bit depth of the camera, for files of more than 8 bits; that of the
            training images if None.
        trust: `deployment.trust.Trust`, the required origin of a bundle; None for no
            requirement.
        tile_size: Side of the tiles in which instances are looked for too, see
            `deployment.tiles`; None for the whole image only.
        on_verdict: Called with the file, the `Verdict` and the `Inspector` of every
            image.

    Yields:
        Dicts with path, verdict (accept, reject or inspect, by the thresholds of the
        bundle or of `decide` for the run, or else by its threshold; empty if there is
        no class of good parts), reason, defect_score, predicted, `prob_<class>`,
        `num_instances` and `overlay`, as far as the model has them; or with the verdict
        unreadable and the problem.

    Raises:
        InputError: If overlays are requested from a model that has nothing to draw,
            tiles from one without instances, or trust from a run folder.
    """
    inspector = open_inspector(model, trust=trust)
    if tile_size is not None:
        if inspector.num_frames > 1:
            raise InputError(
                f"{inspector.name} inspects clips, which are not cut into tiles. Omit "
                "--tiles."
            )
        inspector = inspector._replace(answer=tiled(inspector.answer, tile_size))
    for number, file in enumerate(find_images(paths), 1):
        try:
            image = read_image(file, bit_depth or inspector.bit_depth)
            if tile_size is not None:
                check_tiles(image, tile_size, name=file)
        except InputError as error:
            problem = escaped(error)
            yield {"path": escaped(file), "verdict": "unreadable", "problem": problem}
            continue
        said = inspector.inspect(image)
        if on_verdict is not None:
            on_verdict(file, said, inspector)
        row = {
            "path": escaped(file),
            "verdict": said.decision,
            "reason": said.reason,
            "defect_score": said.defect_score,
            "predicted": said.predicted or "",
        }
        if said.probabilities is not None:
            pairs = zip(inspector.classes, said.probabilities, strict=True)
            row |= {f"prob_{name}": float(value) for name, value in pairs}
        if said.instances is not None:
            row["num_instances"] = len(said.instances.scores)
        if overlays is not None:
            name = f"{number:06d}_{said.decision}_{escaped(file.stem)[:80]}.jpg"
            path = Path(overlays) / name
            _write_overlay(path, image, said, inspector)
            row["overlay"] = escaped(path)
        yield row


def _write_overlay(path, image, said, inspector):
    """Writes the image with the anomaly map and instances drawn on it."""
    if said.anomaly_map is None and said.instances is None:
        raise InputError(
            f"{inspector.name} has neither anomaly maps nor instances, so there is "
            "nothing to draw. Omit --overlays."
        )
    seen = None
    if said.anomaly_map is not None:
        seen = heat(said.anomaly_map, inspector.map_range)
    write_image(path, draw_overlay(image, heat=seen, instances=said.instances))


def open_inspector(model: str | Path, *, trust: Trust | None = None) -> Inspector:
    """Opens the `Inspector` of a run folder, or of a bundle of the required origin."""
    if is_bundle(model):
        return load_bundle(model, trust=trust)
    if trust is not None and trust.is_asked():
        raise InputError(
            f"{model} is not a bundle, and --require-sha256 and --require-signature "
            "apply to bundles only. Omit them, or export the run first."
        )
    from deployment.bundle_decision import decision_of
    from evaluation.run_folder import read_run
    from models import load_predictor

    run = read_run(model)
    decision = None if run.threshold is None else decision_of(run)
    predictor = load_predictor(run.folder)
    return Inspector(
        run.name,
        "",
        list(predictor.classes),
        predictor.normal_class,
        decision,
        lambda image: predictor.predict(image[None]).answers()[0],
        num_frames=predictor.num_frames,
        map_range=run.config.get("map_range"),
        bit_depth=deep(run.config.get("bit_depth", 8)),
        instance_scores=run.instance_scores,
    )


def is_bundle(path: str | Path) -> bool:
    """Whether a path is, or should be, a bundle: by its name or a file in it."""
    path = Path(path)
    return (path / ABOUT).is_file() or path.name == ABOUT or path.suffix == SUFFIX


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """The given image files, and those in the given folders; links are followed.

    Raises:
        InputError: If a path is missing or there is no image.
    """
    files = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(path / name for name in walk(path) if is_image(name))
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"There is no file {path}. Check the path.")
    if not files:
        raise InputError(f"There are no images in {', '.join(map(str, paths))}.")
    return files
