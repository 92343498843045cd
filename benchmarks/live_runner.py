"""The live runner: how fast, how late, what it finds, how large.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/live_runner.py --work DIR

About a quarter of an hour on two idle cores, ten minutes of which watch one stream;
parts can be named. The network is trained if the work folder has no bundle yet
(line.goodparts, of a mobilenetv2 on bottles split in time). Needs the system's
gst-rtsp-server and ffmpeg.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from unittest import mock

import numpy as np
from figures import QUICK, run_parts, sized
from live_line import BOX, ROI, film_line, number_of
from visual_words import open_data

from classification.train import train
from deployment import int8_cost
from deployment.export import export, export_keras
from deployment.runtime import load_bundle
from goodparts.command import run_command
from goodparts.files import read_json
from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.camera.capture import Capture, EndOfSource, Frame
from live.inspection import Inspection
from live.record.folder import Folder
from networks.engines import load_network
from networks.writing import load_exported, load_keras
from preprocessing.images import read_image, resize
from preprocessing.region import cut, make_region, parse_roi

ROOT = Path(__file__).parent.parent
SERVER = runpy.run_path(str(ROOT / "tests" / "live" / "stream_server.py"), run_name="s")
DEBOUNCE = runpy.run_path(str(ROOT / "tests" / "live" / "reference_debounce.py"))
DATA = "bottles, chronological"
NUM_FRAMES, ROUNDS = sized(1000, 20), sized(5, 1)  # of a measurement of speed
WATCHED_S, LOOK_EVERY_S = sized(600, 20), 20
RULES = sized(("5", "3/7", "cusum:100000"), ("5",))
WITHIN = 7  # frames in which a fault has to be found


def prepare(work):
    """The data set, the run and its bundles; made where they are missing."""
    dataset = open_data(DATA, work)
    kept = work / "run.json"
    if not kept.is_file():
        run = train(
            model="mobilenetv2", data=dataset.folder, runs=work / "runs", **QUICK
        )
        kept.write_text(json.dumps(str(run)))
    run = Path(read_json(kept))
    most = sized(int8_cost.MAX_OTHERWISE, 1.0)  # a hardly trained network changes much
    for name, precision in (("line", "fp32"), ("line8", "int8")):
        if not (work / f"{name}.goodparts").is_dir():
            with mock.patch.object(int8_cost, "MAX_OTHERWISE", most):
                export(run, work / f"{name}.goodparts", precision=precision)
    if not (work / "line.tflite").is_file():
        export_keras(run, work / "line.tflite", name="litert")
    return dataset, run


def throughput(work):
    """Images a second, frames of 368 x 640 from memory, each region cut and resized.

    The runner does all that it does on a line: verdict, alarm, measures, the seconds
    before an event as JPEGs.
    """
    dataset, run = prepare(work)
    film_line(dataset, work / "film")
    paths = sorted((work / "film").glob("*.png"))[:32]
    frames = [resize(read_image(path), (368, 640)) for path in paths]
    x, y, width, height = BOX
    y, height = (round(side * 368 / 480) for side in (y, height))
    roi = parse_roi(f"{x},{y},{width},{height}")
    region = make_region(roi, None, (368, 640))
    about = read_json(work / "line.goodparts" / "bundle.json")
    size = tuple(about["model"]["image_size"])
    crops = [resize(cut(frame, region), size) for frame in frames]
    keras_model = load_keras(run / "model.keras")

    def keras_loop(count):
        for index in range(count):
            images = crops[index % 32][None].astype(np.float32)
            keras_model.predict_on_batch(images)

    ways = {"Keras predict_on_batch": keras_loop}
    for name, precision in (("line", "fp32"), ("line8", "int8")):
        bundle = load_bundle(work / f"{name}.goodparts")
        content = (work / f"{name}.goodparts" / "network.onnx").read_bytes()
        ways[f"bare OpenVINO {precision}"] = _bare(load_network(content), crops)
        ways[f"runner {precision}"] = _runner(bundle, frames, roi)
    best = dict.fromkeys(ways, 0.0)
    for _ in range(ROUNDS):  # in turn, so that a busy machine harms all alike
        for name, way in ways.items():
            count = NUM_FRAMES // 5 if way is keras_loop else NUM_FRAMES
            began = time.perf_counter()
            way(count)
            best[name] = max(best[name], count / (time.perf_counter() - began))
    return [
        {
            "way": name,
            "images_per_s": round(rate, 1),
            "times_keras": round(rate / best["Keras predict_on_batch"], 2),
            "of_bare": round(rate / best[name.replace("runner", "bare OpenVINO")], 2),
        }
        for name, rate in best.items()
    ]


def _bare(network, crops):
    def loop(count):
        for index in range(count):
            network(crops[index % len(crops)])

    return loop


def _runner(bundle, frames, roi):
    def loop(count):
        with tempfile.TemporaryDirectory() as path:
            folder = Folder(path, bundle_sha256="")
            inspection = Inspection(
                bundle,
                MemoryCapture(frames, count),
                folder,
                Alarm(parse_rule("5")),
                roi=roi,
            )
            inspection.run()
            folder.close()

    return loop


class MemoryCapture:
    """Frames from memory, like `live.camera.capture.Capture`."""

    def __init__(self, frames, count):
        self.frames, self.count, self.number = frames, count, 0

    def next(self, timeout):
        if self.number == self.count:
            raise EndOfSource
        image = self.frames[self.number % len(self.frames)]
        self.number += 1
        return Frame(image, self.number, time.monotonic(), None)

    def status(self):
        return {
            "state": "running",
            "last_error": None,
            "num_reconnects": 0,
            "num_bad": 0,
        }


def latency(work):
    """The command as a user types it, on a stream of 30 frames/s, for ten minutes."""
    dataset, _ = prepare(work)
    film_line(dataset, work / "film")
    port = SERVER["free_port"]()
    rows = []
    with SERVER["RtspServer"](work / "film", size=(480, 640), rate=30) as camera:
        command = [sys.executable, "-m", "goodparts", "live", work / "line.goodparts"]
        command += ["--source", camera.url, "--roi", ROI, "--port", str(port)]
        command += ["--out", work / "watched"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            began = time.monotonic()
            while time.monotonic() - began < WATCHED_S:
                time.sleep(LOOK_EVERY_S)
                state = _state(port)
                if state["alarm"]["state"] == "alarm":
                    _command(port, "acknowledge")
                rows.append(
                    {
                        "after_s": round(time.monotonic() - began),
                        **state["rate"],
                        "frames": state["counts"]["frames"],
                        "dropped": state["capture"]["num_dropped"],
                        "bad": state["capture"]["num_bad"],
                        "memory_mb": _memory_mb(process.pid),
                    }
                )
            process.send_signal(signal.SIGTERM)
            rows[-1]["exit_status"] = process.wait(20)
    return rows


def _state(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=5) as answer:
        return json.load(answer)


def _command(port, do):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/command",
        json.dumps({"do": do}).encode(),
        {"X-Goodparts": "1", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=5).close()


def _memory_mb(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith("VmRSS")).split()[1]) // 1024


def events(work, rule):
    """Every fault of the film once, over RTSP at 30 frames/s, each acknowledged."""
    dataset, _ = prepare(work)
    truth = film_line(dataset, work / "film").set_index("number")
    seen, alarms, last = [], [], [None]
    bundle = load_bundle(work / "line.goodparts")
    with (
        SERVER["RtspServer"](work / "film", size=(480, 640), rate=30) as camera,
        tempfile.TemporaryDirectory() as folder,
        Capture(camera.url) as capture,
    ):
        alarm = Alarm(parse_rule(rule, min(bundle.false_rejects, 0.29)))
        inspection = Inspection(
            bundle,
            capture,
            Folder(folder, bundle_sha256=bundle.sha256),
            alarm,
            roi=parse_roi(ROI),
        )

        def look(shown):
            if shown is None or (seen and shown.frame.number == last[0]):
                return
            last[0] = shown.frame.number
            number = number_of(shown.frame.image)
            is_round = len(seen) > 100 and number < seen[-1][0]
            seen.append((number, shown.verdict.decision, shown.verdict.predicted))
            event = alarm.event
            if event and event.kind == "alarm" and event.id not in dict(alarms):
                alarms.append((event.id, len(seen) - 1))
            if event and event.ended:
                inspection.command("acknowledge")
            if is_round:
                inspection.stop()

        inspection.run(look)
    seen.pop()  # of the second round
    ours = [index for _, index in alarms if index < len(seen)]
    shown = DEBOUNCE["reference_debounce"](
        [name for _, _, name in seen], dataset.normal_class
    )
    theirs = [n for n in range(len(shown)) if shown[n] and (n == 0 or not shown[n - 1])]
    return [
        {"rule": name, **_found(truth, seen, raised)}
        for name, raised in ((rule, ours), ("reference debounce", theirs))
    ]


def _found(truth, seen, raised):
    """Faults found, in how many of their frames, and false alarms."""
    faults = [int(truth["fault"].get(number, -1)) for number, _, _ in seen]
    first = {}
    for index, fault in enumerate(faults):
        first.setdefault(fault, index)
    first.pop(-1, None)
    delays, false = {}, 0
    for index in raised:
        near = [n for n in faults[max(0, index - 5) : index + 1] if n >= 0]
        if not near:
            false += 1
        else:
            delays.setdefault(near[-1], index - first[near[-1]] + 1)
    num_normal = sum(fault < 0 for fault in faults)
    rejected = sum(
        decision != "accept"
        for (_, decision, _), fault in zip(seen, faults, strict=True)
        if fault < 0
    )
    return {
        "frames_judged": len(seen),
        "faults": len(first),
        "found": len(delays),
        f"found_within_{WITHIN}_frames": sum(x <= WITHIN for x in delays.values()),
        "frames_to_alarm_max": max(delays.values(), default=None),
        "normal_frames": num_normal,
        "normal_frames_not_accepted": rejected,
        "false_alarms": false,
        "false_alarms_per_1000_normal": round(1000 * false / num_normal, 2),
    }


def runtime(work):
    """Size, start, memory, parity and speed of each way to run the network."""
    dataset, run = prepare(work)
    size = tuple(
        read_json(work / "line.goodparts" / "bundle.json")["model"]["image_size"]
    )
    rows = dataset.rows("validate").iloc[::8]
    from preprocessing.datasets import ImageStore

    store = ImageStore([dataset.folder / path for path in rows["path"]], size)
    images = list(store.images)
    keras_model = load_keras(run / "model.keras")
    networks = {
        "Keras predict_on_batch": lambda image: keras_model.predict_on_batch(
            image[None].astype(np.float32)
        )[0]
    }
    for name, bundle, engine in (
        ("ONNX Runtime fp32", "line", "onnxruntime"),
        ("OpenVINO fp32", "line", "openvino"),
        ("ONNX Runtime int8", "line8", "onnxruntime"),
        ("OpenVINO int8", "line8", "openvino"),
    ):
        content = (work / f"{bundle}.goodparts" / "network.onnx").read_bytes()
        networks[name] = load_network(content, engine=engine)
    networks["LiteRT fp32"] = load_exported(work / "line.tflite", "litert")
    sizes = {
        "Keras predict_on_batch": run / "model.keras",
        "LiteRT fp32": work / "line.tflite",
    }
    expected = np.stack([networks["Keras predict_on_batch"](image) for image in images])
    best = dict.fromkeys(networks, 0.0)
    for _ in range(3):
        for name, network in networks.items():
            began = time.perf_counter()
            for image in images:
                network(image)
            best[name] = max(best[name], len(images) / (time.perf_counter() - began))
    found = []
    for name, network in networks.items():
        answers = np.stack([network(image) for image in images])
        file = sizes.get(
            name,
            work
            / f"{'line8' if 'int8' in name else 'line'}.goodparts"
            / "network.onnx",
        )
        found.append(
            {
                "way": name,
                "images_per_s": round(best[name], 1),
                "max_difference": float(f"{np.abs(answers - expected).max():.2g}"),
                "answers_changed": int((answers.argmax(1) != expected.argmax(1)).sum()),
                "of_images": len(images),
                "file_mb": round(file.stat().st_size / 1e6, 1),
                **_start(name, work),
            }
        )
    return found


START = """
import time; began = time.perf_counter()
from deployment.runtime import load_bundle
import numpy as np
image = np.zeros((400, 150, 3), np.uint8)
verdict = load_bundle({bundle!r}, engine={engine!r}).inspect(image)
print(time.perf_counter() - began)
lines = open("/proc/self/status").read().splitlines()
print(int(next(x for x in lines if x.startswith("VmHWM")).split()[1]) // 1024)
"""


def _start(name, work):
    """Seconds from the start of Python's work to the first verdict, and memory."""
    engines = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
    engine = next((x for key, x in engines.items() if name.startswith(key)), None)
    if engine is None:
        return {}
    bundle = work / f"{'line8' if 'int8' in name else 'line'}.goodparts"
    code = START.format(bundle=str(bundle), engine=engine)
    done = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    return {
        "start_to_verdict_s": round(min(float(x[0]) for x in done), 2),
        "memory_mb": int(done[0][1]),
    }


FIGURES = {
    "throughput": lambda once: once(throughput),
    "runtime": lambda once: once(runtime),
    "events": lambda once: [row for rule in RULES for row in once(events, rule)],
    "latency": lambda once: once(latency),
}


def main():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run_parts("live", FIGURES, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
