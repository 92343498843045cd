"""Every command of the README is run here, on small parts, in the README's order."""

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

from preprocessing.embedded_parts.render import render_dataset
from preprocessing.images import read_image, resize

ROOT = Path(__file__).parent.parent
SCRIPTS = tomllib.loads((ROOT / "Pipfile").read_text())["scripts"]
ELSEWHERE = {  # commands that other tests run, or that set the machine up
    "make setup",
    "make demo",
    "make test",
    "make test-all",
    "make bench",
    "make",
    "make notebooks",
}
QUICK = {  # what makes a training short enough for a test
    "--model mobilenetv2": ["--weights", "none", "--epochs", "1"],
    "--model small_cnn": ["--epochs", "1"],
    "--model": ["--image-size", "64", "64"],
}


def readme_commands():
    """The command lines of the README's sh blocks, without comments."""
    text = (ROOT / "README.md").read_text()
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.splitlines():
            command = line.split(" #")[0].strip()
            if command:
                yield command


def as_process(command):
    """`pipenv run NAME ARGS` as the script's own command line."""
    words = shlex.split(command)
    if words[:2] == ["pipenv", "run"]:
        words = [*shlex.split(SCRIPTS[words[2]])[1:], *words[3:]]
    for key, extra in QUICK.items():
        if key in command:
            words += extra
    return [sys.executable, "-m", "goodparts", *words]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as the README assumes it: the user's images are in my_parts/."""
    folder = tmp_path_factory.mktemp("work")
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
    result = run(workplace, command)
    assert result.returncode == 0, result.stderr
    [report] = workplace.glob("demo_runs/*/report.html")
    assert report.read_text().startswith("<!DOCTYPE html>")


def test_every_command_of_the_readme_runs(workplace):
    commands = [c for c in readme_commands() if c not in ELSEWHERE]
    assert len(commands) > 8
    for command in commands:
        if "demo" in command:
            continue  # the test above
        if "--resume" in command:
            kill_a_training(workplace)
        if "rtsp://" in command:
            watch_until_asked_to_stop(workplace, command)
            continue
        result = run(workplace, command)
        assert result.returncode == 0, f"{command}\n{result.stderr[-3000:]}"


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
    """Runs a command of the README in the workplace; `*` is expanded as by a shell."""
    words = []
    for word in as_process(command):
        found = sorted(folder.glob(word)) if "*" in word else []
        words += [str(path.relative_to(folder)) for path in found] or [word]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder)


def test_every_script_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    assert all(f"pipenv run {name}" in text for name in SCRIPTS)
