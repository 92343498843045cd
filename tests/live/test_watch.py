"""The command as a user types it, in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from stream_server import free_port

from bovw.train import train
from deployment.export import export
from live.record.segments import verify
from preprocessing.images import write_image
from preprocessing.manifest import read_dataset

ROOT = Path(__file__).parents[2]
WATCH = [sys.executable, "-m", "goodparts", "live"]
PATIENCE = 120  # seconds in which anything here happens, however busy the machine


@pytest.fixture(scope="module")
def bundle(washers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    run = train(data=washers, runs=folder, image_size=(48, 48), num_words=10)
    export(run, folder / "part.goodparts")
    return folder / "part.goodparts"


@pytest.fixture(scope="module")
def parts(washers):
    """Folder of images by class, in train."""
    dataset = read_dataset(washers)
    rows = dataset.rows("train")
    return {
        label: (dataset.folder / part["path"].iloc[0]).parent
        for label, part in rows.groupby("label")
    }


def run(*arguments):
    return subprocess.run(
        [*WATCH, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE
    )


def lines_of(out):
    return [json.loads(x) for x in (out / "log.jsonl").read_text().splitlines()]


def test_a_folder_is_inspected_to_its_end(bundle, parts, tmp_path):
    found = run(bundle, "--source", parts["bad"], "--out", tmp_path / "live")
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == str(tmp_path / "live")
    lines = lines_of(tmp_path / "live")
    alarms = [line for line in lines if line["kind"] == "alarm"]
    kinds = [line["kind"] for line in lines]
    assert alarms and "stopped" in kinds
    assert set(kinds[kinds.index("stopped") + 1 :]) == {"clip"}  # ready after the end
    assert (tmp_path / "live" / "events" / f"{alarms[0]['event']}.jpg").is_file()
    verify(tmp_path / "live" / "log.jsonl")


def test_sigterm_ends_in_good_order_and_sigkill_leaves_the_log_whole(
    bundle, parts, tmp_path
):
    """A page on a folder stays when the folder has ended, until it is asked to go."""
    out = tmp_path / "live"
    command = [*WATCH, bundle, "--source", parts["good"], "--out", out, "--port"]
    for kind, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 0)):
        port = free_port()
        with subprocess.Popen(
            [*command, str(port)], stdout=subprocess.DEVNULL
        ) as process:
            _wait_for(f"http://127.0.0.1:{port}/state")
            process.send_signal(kind)
            assert process.wait(PATIENCE) == status
        verify(out / "log.jsonl")
    assert [line["kind"] for line in lines_of(out)].count("started") == 2


def test_folder_is_followed_and_goes_on_where_it_stopped(bundle, parts, tmp_path):
    hot, out = tmp_path / "hot", tmp_path / "live"
    hot.mkdir()
    images = sorted(parts["bad"].iterdir())[:4]
    shutil.copy(images[0], hot)
    (hot / "notes.txt").write_text("no image")
    command = [*WATCH, bundle, "--source", hot, "--out", out, "--follow"]
    for new in (images[1], images[2]):
        with subprocess.Popen(
            [*command, "--port", "0"], stdout=subprocess.PIPE, text=True
        ) as process:
            _wait_until(lambda: images[0].name in _judged(out))
            shutil.copy(new, hot)
            _wait_until(lambda name=new.name: name in _judged(out))
            process.send_signal(signal.SIGINT)
            printed = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0 and "not images: files .txt 1" in printed
    assert _judged(out) == [image.name for image in images[:3]]
    rows = (out / "verdicts.csv").read_text().splitlines()
    assert rows[0].startswith("path,frame,decision") and len(rows) == 4
    verify(out / "log.jsonl")


def test_names_that_are_not_utf8_are_inspected_and_written_escaped(
    bundle, parts, tmp_path
):
    hot, out = (tmp_path / os.fsdecode(name) for name in (b"hot\xff", b"live\xff"))
    hot.mkdir()
    shutil.copy(next(parts["good"].iterdir()), hot / os.fsdecode(b"teil\xe9.png"))
    (hot / os.fsdecode(b"kaputt\xe9.png")).write_bytes(b"no image")
    found = run(bundle, "--source", hot, "--out", out, "--csv", out / "table.csv")
    assert "Traceback" not in found.stderr
    assert found.returncode == 2 and "1 frames of the recording" in found.stderr
    table = (out / "table.csv").read_text(encoding="utf-8")
    assert f"{tmp_path}/hot%FF/teil%E9.png,1," in table
    assert f"{tmp_path}/hot%FF/kaputt%E9.png,,unreadable" in table
    unreadable = [x for x in lines_of(out) if x["kind"] == "file unreadable"]
    assert unreadable[0]["path"] == f"{tmp_path}/hot%FF/kaputt%E9.png"
    verify(out / "log.jsonl")


def _judged(out):
    table = out / "verdicts.csv"
    rows = table.read_text().splitlines()[1:] if table.exists() else []
    return [Path(row.split(",")[0]).name for row in rows]


def _wait_until(condition):
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_recording_of_which_every_frame_is_refused_is_no_success(
    bundle, parts, tmp_path
):
    found = run(
        bundle,
        *("--source", parts["good"], "--out", tmp_path / "live"),
        *("--roi", "0,0,10,40@400x100"),
    )
    assert found.returncode == 2 and "0 frames" in found.stdout
    assert len(found.stderr.splitlines()) == 1
    assert (
        "No frame of the recording could be inspected. Reason for the first one: The "
        "frame is" in (found.stderr)
    )


def test_mistakes_are_one_line_and_leave_nothing(bundle, parts, tmp_path):
    out = tmp_path / "live"
    lossy = tmp_path / "mask.jpg"
    (run_folder,) = bundle.parent.glob("*-bovw-*")
    write_image(lossy, np.zeros((8, 8), np.uint8))
    for arguments, said in (
        ([bundle, "--source", tmp_path / "none.mp4"], "There is no file or folder"),
        ([tmp_path, "--source", parts["good"]], "is not a bundle"),
        ([bundle / "bundle.json", "--source", parts["good"]], "Give the folder"),
        (
            [run_folder, "--source", parts["good"]],
            "is a run folder, not a bundle. Export",
        ),
        ([bundle, "--source", parts["good"], "--roi", "1,2,3"], "must be x,y,width"),
        ([bundle, "--source", parts["good"], "--alarm-after", "x"], "alarm-after"),
        ([bundle, "--source", parts["good"], "--mask", lossy], "JPEG image"),
        ([bundle, "--source", parts["good"], "--roi", "0,0,9999,9"], "--roi"),
        ([bundle, "--source", "ftp://x/y"], "not a camera address"),
        ([bundle, "--source", parts["good"], "--port", "70000"], "0 to 65535"),
    ):
        found = run(*arguments, "--out", out)
        assert found.returncode == 2, (arguments, found)
        assert said in found.stderr and "Traceback" not in found.stderr
        assert len(found.stderr.splitlines()) == 1 or "usage:" in found.stderr


def test_a_stop_command_gets_the_alarm(bundle, parts, tmp_path):
    told = tmp_path / "told.json"
    found = run(
        bundle,
        "--source",
        parts["bad"],
        "--out",
        tmp_path / "live",
        "--stop-command",
        f"sh -c 'cat > {told}'",
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(told.read_text())["kind"] == "alarm"


def _wait_for(address):
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                state = json.load(answer)
        except OSError:
            state = {"capture": {"state": ""}}
        if state["capture"]["state"] == "ended":
            return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")
