"""Every command of `make bench` runs, as short as can be, and writes its figures."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import stream_server as server

from backbones import weights_file

ROOT = Path(__file__).parent.parent
COMMANDS = re.findall(r"benchmarks/(\w+)\.py(.*)", (ROOT / "Makefile").read_text())
COLUMNS = {
    path.name.split("-")[0]: pd.read_csv(path).columns.tolist()
    for path in ROOT.glob("benchmarks/results/*.csv")
}
FIGURES = {  # script -> what of them it writes
    "loader": "loader",
    "near_duplicates": "near_duplicates",
    "main_job": "main_job main_job_time",
    "transfer_learning": "transfer_bottles transfer_magnetic_tile transfer_screw "
    "transfer_ablation",
    "transfer_speed": "transfer_speed_steps transfer_speed_recipes transfer_speed_head",
    "visual_words": "visual_words_speed visual_words_accuracy visual_words_ablation",
    "ensembles": "ensembles_parts ensembles_reference ensembles_speed",
    "promises": "decisions",
    "thresholds": "thresholds",
    "alarms": "alarms",
    "connections": "connections",
    "open_set": "open_set",
    "one_class": "one_class_mvtec one_class_magnetic_tile one_class_others",
    "event_log": "event_log",
    "live_runner": "live_throughput live_runtime live_events live_latency",
    "strange_scenes": "strange_scenes",
    "live_faults": "live_faults",
}
STREAMED = ("events", "latency")  # parts of live_runner
LONGEST_S = 1800  # on a busy machine; a quarter of an hour is usual for all
CAN_STREAM = not server.why_no_rtsp() and shutil.which("ffmpeg")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA is not set"),
    pytest.mark.skipif(
        not weights_file("mobilenetv2").is_file(), reason="needs ImageNet weights"
    ),
]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The work folder that the benchmarks of the live runner share."""
    return tmp_path_factory.mktemp("live")


def smoke(script, out, *options):
    command = [sys.executable, ROOT / "benchmarks" / f"{script}.py", *options]
    command += ["--smoke", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S)
    assert done.returncode == 0, done.stderr[-3000:]
    tables = {path.name.split("-")[0]: pd.read_csv(path) for path in out.glob("*")}
    for name, table in tables.items():
        assert len(table) and table.columns.tolist() == COLUMNS[name]
    return set(tables)


@pytest.mark.parametrize(("script", "options"), COMMANDS, ids=[x for x, _ in COMMANDS])
def test_it_writes_its_figures(script, options, work, tmp_path):
    options = ["--work", work] if "--work" in options else []
    expected = FIGURES[script].split()
    if script == "live_runner" and not CAN_STREAM:
        expected = [x for x in expected if not x.endswith(STREAMED)]
        options += [x.removeprefix("live_") for x in expected]
    assert smoke(script, tmp_path, *options) == set(expected)


@pytest.mark.parametrize("detector", [False, True])
def test_promises_of_runs(detector, dataset, make_run, tmp_path):
    run = make_run(dataset, "bovw", wrong=["good/017"], detector=detector)
    found = smoke("promises", tmp_path / "out", run.folder)
    assert found == {"decisions_runs"}


def test_thresholds_of_runs(dataset, make_run, tmp_path):
    run = make_run(dataset, "bovw", wrong=["good/017"])
    assert smoke("thresholds", tmp_path / "out", run.folder) == {"thresholds_runs"}


def test_every_table_of_figures_comes_from_a_command():
    assert {script for script, _ in COMMANDS} == set(FIGURES)
    of_runs = {"decisions_runs", "thresholds_runs"}
    assert set(COLUMNS) - of_runs == set(" ".join(FIGURES.values()).split())


def test_a_smoke_run_leaves_the_results_alone():
    command = [sys.executable, ROOT / "benchmarks" / "near_duplicates.py", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "--out" in done.stderr
