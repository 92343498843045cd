"""Each data script, killed at ten random moments, then run again: the same tree."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preprocessing.embedded_parts.render import render_dataset

SCRIPTS = Path(__file__).parents[2] / "preprocessing"
STEPS = {  # what runs before, what is killed
    "create_folders.py": ([], ["create_folders.py", "raw/parts"]),
    "create_bndbox.py": (
        [["create_folders.py", "raw/parts"]],
        ["create_bndbox.py", "dataset/parts"],
    ),
    "data_augmentation.py": (
        [["create_folders.py", "raw/parts"]],
        ["data_augmentation.py", "dataset/parts", "--balance"],
    ),
}


def start(folder, command):
    words = [sys.executable, str(SCRIPTS / command[0]), *command[1:]]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("script", STEPS)
def test_ten_kills_change_nothing(script, tmp_path):
    render_dataset(tmp_path / "raw" / "parts", num_images=150, size=128)
    before, killed = STEPS[script]
    for command in before:
        assert start(tmp_path, command).wait() == 0
    if (tmp_path / "dataset").exists():
        shutil.copytree(tmp_path / "dataset", tmp_path / "untouched")
    started = time.perf_counter()
    assert start(tmp_path, killed).wait() == 0
    duration = time.perf_counter() - started
    expected = tree(tmp_path / "dataset")
    moments = random.Random(0)
    for _ in range(10):
        shutil.rmtree(tmp_path / "dataset")
        if before:
            shutil.copytree(tmp_path / "untouched", tmp_path / "dataset")
        process = start(tmp_path, killed)
        time.sleep(moments.uniform(0.2, 1.0) * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert start(tmp_path, killed).wait() == 0
        assert tree(tmp_path / "dataset") == expected
