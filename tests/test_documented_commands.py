"""Every command of README.md and docs/ is run here, on small parts, in their order."""

import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import av
import numpy as np
import pytest
from stream_server import free_port

from backbones import build_backbone
from classification import head
from goodparts.cli import main
from preprocessing.embedded_parts.render import render_dataset
from preprocessing.images import read_image, resize

ROOT = Path(__file__).parent.parent
SCRIPTS = tomllib.loads((ROOT / "Pipfile").read_text())["scripts"]
PAGES = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "index",
            "your_images",
            "splits",
            "training",
            "ensembles",
            "decisions",
            "report",
            "instances",
            "live",
            "deployment",
            "bundles",
            "api",
            "results",
            "architecture",
        )
    ),
]
SETS_UP = {"make demo"}  # the machine; what it then runs is tested here
ELSEWHERE = (  # the beginning of a command, and the test that runs such a one
    (
        "pipenv run demo",
        "test_documented_commands.py::test_the_demo_on_ones_own_folder",
    ),
    (
        "pipenv run export runs/*-ensemble*-my_parts-1 -o my_parts_int8.goodparts",
        "deployment/test_export.py::test_int8_is_fitted_again_and_says_what_it_costs",
    ),
    (
        "pipenv run train --model mask_rcnn",
        "segmentation/test_train.py::test_the_run_says_what_it_has",
    ),
    (
        "./start_docker.sh inspect",
        "test_docker.py::test_inspect_gets_the_bundle_read_only",
    ),
    (
        "pipenv run predict my_parts.goodparts images --require-sha256",
        "deployment/test_trust.py::test_the_commands_ask",
    ),
    (
        "pipenv run live my_parts.goodparts --source rtsp://camera/line --require-",
        "deployment/test_trust.py::test_the_commands_ask",
    ),
    (
        "pipenv run export RUN -o my_parts.goodparts --sign",
        "deployment/test_trust.py::test_export_signs",
    ),
    (
        "pipenv run evaluate RUN --mm-per-pixel",
        "test_instances.py::test_evaluate_writes_areas_and_the_worst_mistakes",
    ),
    (
        "pipenv run decide RUN --false-alarms",
        "test_instances.py::"
        "test_thresholds_are_chosen_on_validate_for_the_allowed_false_alarms",
    ),
    (
        "pipenv run predict RUN images --overlays",
        "test_instances.py::test_predict_writes_a_row_for_each_instance",
    ),
    (
        "pipenv run predict RUN images --tiles",
        "test_instances.py::test_tiles_of_a_large_image",
    ),
    (
        "pipenv run evaluate --coco",
        "evaluation/test_coco_results.py::test_figures_by_hand",
    ),
    ("openssl", "deployment/test_trust.py::test_openssl_makes_the_keys"),
    (
        "GOODPARTS_DATASET=",
        "test_notebooks.py::test_a_notebook_runs_on_embedded_data",
    ),
    (
        "pipenv run python3 benchmarks/results_page.py",
        "test_docs.py::test_the_command_writes_what_has_changed",
    ),
)
QUICK = {  # what makes a training short enough for a test
    "--model mobilenetv2": ["--weights", "random.weights.h5", "--epochs", "0"],
    "--model small_cnn": ["--epochs", "1"],
    "--model memory_bank": ["--weights", "none"],
    "pipenv run suggest": ["--weights", "none", "--image-size", "64", "64"],
    "--model": ["--image-size", "64", "64"],
}


def documented_commands():
    """The command lines of all sh blocks, each once, without comments."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    lines = [line.split(" #")[0].strip() for line in "\n".join(blocks).splitlines()]
    return list(dict.fromkeys(filter(None, lines)))


def is_run_elsewhere(command):
    return any(command.startswith(start) for start, _ in ELSEWHERE)


def as_process(command):
    """A process of what Pipenv runs for it."""
    return [sys.executable, "-m", "goodparts", *as_words(command)]


def as_words(command):
    """What follows `goodparts` when Pipenv runs `pipenv run NAME ARGS`."""
    words = shlex.split(command)
    if words[:2] == ["pipenv", "run"]:
        words = [*shlex.split(SCRIPTS[words[2]])[1:], *words[3:]]
    for key, extra in QUICK.items():
        if key in command:
            words += extra
    return words


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as the pages assume it: the user's images are in my_parts/."""
    folder = tmp_path_factory.mktemp("work")
    network = build_backbone("mobilenetv2", weights="none")
    network.save_weights(folder / "random.weights.h5")
    render_dataset(folder / "my_parts", num_images=40, size=64)
    film_parts(folder / "line.mp4", sorted((folder / "my_parts").rglob("*.png"))[:20])
    return folder


def film_parts(path, pictures):
    """A film of 320 x 240 with a picture in the middle of each frame."""
    with av.open(path, "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for picture in pictures:
            image = np.full((240, 320, 3), 90, np.uint8)
            image[20:220, 40:240] = resize(read_image(picture), (200, 200))
            film.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        film.mux(stream.encode())


@pytest.mark.slow
def test_the_demo_on_ones_own_folder(workplace):
    command = "pipenv run demo --data my_parts --name demo --runs demo_runs"
    subprocess.run(as_process(command), cwd=workplace, check=True)
    [report] = workplace.glob("demo_runs/*/report.html")
    assert report.read_text().startswith("<!DOCTYPE html>")


def test_every_documented_command_runs(workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    monkeypatch.setattr(head, "EPOCHS", 2)
    commands = [
        command
        for command in documented_commands()
        if command not in SETS_UP and not is_run_elsewhere(command)
    ]
    assert len(commands) > 16
    for command in commands:
        if "--resume" in command:
            kill_a_training(workplace)
        if "rtsp://" in command:
            watch_until_asked_to_stop(workplace, command)
            continue
        status = run(workplace, command)
        assert status == 0, f"{command}\n{capsys.readouterr().err[-3000:]}"


def watch_until_asked_to_stop(folder, command):
    """The page is there though no camera answers; SIGTERM ends it in good order."""
    port = str(free_port())
    words = [*as_process(command), "--port", port]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().decode().endswith(f":{port}\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/state") as answer:
            assert json.load(answer)["running"]
        process.terminate()
        assert process.wait(20) == 0


def kill_a_training(folder):
    """Leaves a training that was killed after its first finished epoch."""
    command = "pipenv run train --model small_cnn --data dataset/my_parts"
    process = subprocess.Popen([*as_process(command), "--epochs", "8"], cwd=folder)
    deadline = time.monotonic() + 120
    while not list(folder.glob("runs/*.unfinished/checkpoints/*.npz")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()


def run(folder, command):
    """Runs a command in the folder, which is the working directory: its exit status.

    It runs in this process, which saves an import of TensorFlow for each; `*` is
    expanded as by a shell.
    """
    words = []
    for word in as_words(command):
        found = sorted(folder.glob(word)) if "*" in word else []
        words += [str(path.relative_to(folder)) for path in found] or [word]
    try:
        main(words)
    except SystemExit as end:
        return end.code or 0
    return 0


def test_what_is_run_elsewhere_is_documented_and_has_its_test():
    commands = documented_commands()
    for start, test in ELSEWHERE:
        assert any(command.startswith(start) for command in commands), start
        file, name = test.split("::")
        assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text(), test


def test_every_page_is_read():
    assert set(PAGES) == {ROOT / "README.md", *(ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_documented(name):
    assert any(
        command.startswith(f"pipenv run {name} ") for command in documented_commands()
    )
