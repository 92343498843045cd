"""What goes wrong around a camera, done for real, and how the live runner takes it.

    REAL_DATA=... KERAS_HOME=... python3 benchmarks/live_faults.py --work DIR

Some six minutes; the work folder of benchmarks/live_runner.py, whose bundle and film it
uses. Each fault is done to the command as a user types it, on a stream of real frames
that the network never saw, 30 a second over RTSP. Needs the system's gst-rtsp-server
and ffmpeg, mosquitto for the broker, and root for the full disk.

    faults        done to the runner
    survived      of these, after which it judged new frames by itself (a picture of
                  another shape: which it refused)
    recovered_s   the longest time from the end of the fault to the next verdict
    judged_meanwhile   verdicts while no true frame could come; has to be 0
    false_alarms  on a film of good parts
    alarms, received   raised and logged, and received elsewhere; nothing may be lost
"""

import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from figures import run_parts, sized
from live_line import ROI, film_line
from live_runner import SERVER, prepare

from goodparts.command import run_command
from live.record.segments import verify

RTSP, WIRE = SERVER["RtspServer"], SERVER["FaultyWire"]
SIZE, ROI_OF = (480, 640), f"{ROI}@640x480"
FAULT_S, LONGEST_S = sized(8.0, 2.0), 40.0
TIMES = sized(3, 1)  # that the shorter faults are done


class Watched:
    """The live command on a source, asked through its page."""

    def __init__(self, work, source, *, name, options=(), roi=ROI_OF, bundle=None):
        self.port = SERVER["free_port"]()
        self.out = work / "faults" / name
        shutil.rmtree(self.out, ignore_errors=True)
        bundle = bundle or work / "line.goodparts"
        self.command = [
            sys.executable,
            *("-m", "goodparts", "live"),
            bundle,
            "--source",
            source,
            "--roi",
            roi,
            "--port",
            str(self.port),
            "--out",
            self.out,
            *options,
        ]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        self.until(lambda state: state["counts"]["frames"] > 30)
        return self

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(30)

    def state(self):
        address = f"http://127.0.0.1:{self.port}/state"
        with contextlib.suppress(OSError), urllib.request.urlopen(address) as answer:
            return json.load(answer)
        return None

    def until(self, is_so):
        """Seconds until the state is so; None after LONGEST_S."""
        began = time.monotonic()
        while time.monotonic() - began < LONGEST_S:
            state = self.state()
            if state and is_so(state):
                return round(time.monotonic() - began, 1)
            time.sleep(0.05)
        return None

    def judged(self):
        return self.state()["counts"]["frames"]

    def recovery(self):
        """Seconds until five more frames are judged."""
        before = self.judged()
        return self.until(lambda state: state["counts"]["frames"] >= before + 5)

    def alarms(self):
        lines = (self.out / "log.jsonl").read_text().splitlines()
        return [x["event"] for x in map(json.loads, lines) if x["kind"] == "alarm"]


def good_film(work):
    """The film without its faults."""
    dataset, _ = prepare(work)
    truth = film_line(dataset, work / "film")
    folder = work / "good_film"
    if not folder.is_dir():
        folder.mkdir()
        normal = truth["number"][truth["fault"] < 0]
        for place, number in enumerate(normal, 1):
            target = work / "film" / f"{number + 1:04d}.png"
            (folder / f"{place:04d}.png").symlink_to(target)
    return folder


def camera_away(work, what, begin, end, *, settle, lasts):
    """The camera is gone or frozen; what is on its way is judged while it settles."""
    with RTSP(good_film(work), size=SIZE) as camera:
        with Watched(work, camera.url, name="away") as watched:
            found = []
            for _ in range(TIMES):
                begin(camera)
                time.sleep(settle)
                before = watched.judged()
                time.sleep(lasts)
                meanwhile = watched.judged() - before
                end(camera)
                found.append([meanwhile, watched.recovery()])
            return _row(what, watched, found)


def camera_gone(work):
    what = "camera killed and started again"
    return camera_away(work, what, RTSP.kill, RTSP.start, settle=2, lasts=4)


def camera_frozen(work):
    what = "camera frozen for 9 s"
    return camera_away(work, what, RTSP.freeze, RTSP.thaw, settle=1, lasts=8)


def wire(work, fault, share):
    with RTSP(good_film(work), size=SIZE) as camera:
        relay = WIRE(camera.port)
        url = camera.url.replace(str(camera.port), str(relay.port))
        with Watched(work, url, name=fault) as watched:
            setattr(relay, fault, share)
            time.sleep(2 * FAULT_S)
            setattr(relay, fault, 0.0)
            found = [[None, watched.recovery()]]
            name = {"lose": "lost", "corrupt": "corrupted"}[fault]
            row = _row(f"{share:.0%} of packets {name} for 16 s", watched, found)
            row["note"] = f"{relay.num_faults} packets"
        relay.close()
        return row


def wire_cut(work):
    with RTSP(good_film(work), size=SIZE) as camera:
        relay = WIRE(camera.port)
        url = camera.url.replace(str(camera.port), str(relay.port))
        with Watched(work, url, name="cut") as watched:
            found = []
            for _ in range(TIMES):
                relay.cut()
                found.append([None, watched.recovery()])
                time.sleep(1)
            row = _row("connection cut", watched, found)
        relay.close()
        return row


def resolution(work):
    """To twice the size, which is fitted; to another shape, which is refused."""
    film, found = good_film(work), []
    camera = RTSP(film, size=SIZE).start()
    with Watched(work, camera.url, name="resolution") as watched:
        for size in ((960, 1280), (640, 480), SIZE):
            camera.kill()
            camera.size = size
            camera.start()
            if size == (640, 480):
                refused = watched.until(
                    lambda state: state["capture"]["state"] == "refused"
                )
                before = watched.judged()
                time.sleep(FAULT_S / 2)
                found.append([watched.judged() - before, refused])
            else:
                found.append([None, watched.recovery()])
        row = _row("resolution changed: fitted, refused, back", watched, found)
    camera.kill()
    return row


def garbage(work):
    """An HTTP camera that sends noise, half pictures and broken ones."""
    camera = SERVER["MjpegServer"](size=(368, 640))
    with (
        camera,
        Watched(work, camera.url, name="garbage", roi="10,10,300,300") as watched,
    ):
        found = []
        for fault in ("garbage", "truncated", "broken", "noise"):
            setattr(camera, fault, 20)
            watched.until(lambda _, fault=fault: getattr(camera, fault) == 0)
            found += [[None, watched.recovery()]]
        row = _row(
            "HTTP camera sends garbage, half and broken pictures", watched, found
        )
    return row | {"false_alarms": None, "note": "20 of each kind"}


def busy(work):
    """All cores busy with something else for 16 s."""
    loop = [sys.executable, "-c", "while True: pass"]
    with RTSP(work / "film", size=SIZE) as camera:
        with Watched(work, camera.url, name="busy") as watched:
            others = [subprocess.Popen(loop) for _ in range(os.cpu_count())]
            time.sleep(2 * FAULT_S)
            state = watched.state()
            for other in others:
                other.kill()
            found = [[None, watched.recovery()]]
            row = _row("all cores busy for 16 s", watched, found)
            row["note"] = f"p99 {state['rate']['latency_p99_ms']:.0f} ms meanwhile"
    return row | {"false_alarms": None, "alarms": len(watched.alarms())}


def disk_full(work):
    """The folder of the log has no room for 10 s while alarms come."""
    place = work / "faults" / "full"
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["umount", place], capture_output=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=True
    )
    try:
        with RTSP(work / "film", size=SIZE) as camera:
            with Watched(work, camera.url, name="full/live") as watched:
                filler = place / "filler"
                with contextlib.suppress(OSError), open(filler, "wb") as file:
                    while True:
                        file.write(bytes(4096))
                        file.flush()
                _acknowledge_often(watched, FAULT_S + 2)
                problem = watched.state()["log"]["problem"]
                filler.unlink()
                recovered = watched.until(lambda state: state["log"]["problem"] is None)
                shown = [event["id"] for event in _events(watched)]
                row = _row("disk full for 10 s", watched, [[None, recovered]])
            alarms = watched.alarms()
            verify(watched.out / "log.jsonl")
            row |= {"false_alarms": None, "alarms": len(shown)}
            row |= {"received": len(set(shown) & set(alarms))}
            row |= {"note": problem.rpartition(": ")[2]}
    finally:
        subprocess.run(["umount", place], check=True)
    return row


def receivers(work):
    """A webhook and a broker that are away for 12 s while alarms come."""
    hook_port, broker_port = SERVER["free_port"](), SERVER["free_port"]()
    received = {"hook": [], "broker": []}
    options = ["--send", f"http://127.0.0.1:{hook_port}/events"]
    options += ["--send", f"mqtt://127.0.0.1:{broker_port}/line/events"]
    with RTSP(work / "film", size=SIZE) as camera:
        with Watched(work, camera.url, name="receivers", options=options) as watched:
            _acknowledge_often(watched, 12)
            back = time.monotonic()
            with _webhook(hook_port, received), _broker(broker_port, received):
                _acknowledge_often(watched, FAULT_S)
                watched.until(
                    lambda state: all(x["num_waiting"] == 0 for x in state["outputs"])
                )
                recovered = round(time.monotonic() - back - FAULT_S, 1)
                time.sleep(0.5)
                alarms = watched.alarms()
                row = _row(
                    "webhook and broker away for 12 s", watched, [[None, recovered]]
                )
                both = set(received["hook"]) & set(received["broker"])
    got = len(both & set(alarms))
    return row | {"false_alarms": None, "alarms": len(alarms), "received": got}


def bundle_replaced(work):
    """Another bundle takes its place, then a damaged one; the runner keeps its own."""
    bundle = work / "faults" / "replaced.goodparts"
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(work / "line.goodparts", bundle)
    with RTSP(good_film(work), size=SIZE) as camera:
        with Watched(work, camera.url, name="replaced", bundle=bundle) as watched:
            own, found = watched.state()["bundle_sha256"], []
            shutil.rmtree(bundle)
            shutil.copytree(work / "line8.goodparts", bundle)
            found.append([None, watched.recovery()])
            (bundle / "network.onnx").write_bytes(b"no network")
            found.append([None, watched.recovery()])
            row = _row("bundle replaced while running", watched, found)
            kept = watched.state()["bundle_sha256"] == own
    return row | {"note": "decides by the bundle it began with" if kept else "CHANGED"}


def killed(work):
    """SIGKILL while alarms come; the log goes on where it was."""
    with RTSP(work / "film", size=SIZE) as camera:
        watched, before, found = None, [], []
        for turn in range(TIMES + 1):
            last = watched
            watched = Watched(work, camera.url, name=f"killed/{turn}")
            watched.out = work / "faults" / "killed" / "live"
            watched.command[watched.command.index("--out") + 1] = watched.out
            if last is None:
                shutil.rmtree(watched.out, ignore_errors=True)
            began = time.monotonic()
            watched.__enter__()
            if last is not None:
                found.append([None, round(time.monotonic() - began, 1)])
            _acknowledge_often(watched, 5)
            if turn < TIMES:
                before = [event["id"] for event in _events(watched)]
                watched.process.kill()
                watched.process.wait()
        kept = len(set(before) & set(watched.alarms()))
        row = _row("killed (SIGKILL) and started again", watched, found)
        watched.__exit__()
        verify(watched.out / "log.jsonl")
    return row | {"false_alarms": None, "alarms": len(before), "received": kept}


def _events(watched):
    with urllib.request.urlopen(f"http://127.0.0.1:{watched.port}/events") as answer:
        return [event for event in json.load(answer) if event["kind"] == "alarm"]


def _acknowledge_often(watched, seconds):
    """As somebody at the line does, so that every fault is an alarm of its own."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        request = urllib.request.Request(
            f"http://127.0.0.1:{watched.port}/command",
            b'{"do": "acknowledge"}',
            {"X-Goodparts": "1"},
        )
        urllib.request.urlopen(request).close()
        time.sleep(1)


@contextlib.contextmanager
def _webhook(port, received):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            event = json.loads(self.rfile.read(length))
            if event["kind"] == "alarm":
                received["hook"].append(event["event"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()


@contextlib.contextmanager
def _broker(port, received):
    import paho.mqtt.client as mqtt

    broker = subprocess.Popen(["mosquitto", "-p", str(port)], stderr=subprocess.DEVNULL)
    time.sleep(1)
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)

    def note(client, data, message):
        event = json.loads(message.payload)
        if event["kind"] == "alarm":
            received["broker"].append(event["event"])

    client.on_message = note
    client.connect("127.0.0.1", port)
    client.subscribe("line/events", 1)
    client.loop_start()
    yield
    client.loop_stop()
    broker.terminate()
    broker.wait()


def _row(fault, watched, found):
    """`found`: for each fault, frames judged meanwhile and seconds to recover."""
    times = [seconds for _, seconds in found if seconds is not None]
    meanwhile = [count for count, _ in found if count is not None]
    return {
        "fault": fault,
        "faults": len(found),
        "survived": len(times),
        "recovered_s": max(times, default=None),
        "judged_meanwhile": sum(meanwhile) if meanwhile else None,
        "false_alarms": len(watched.alarms()),
        "alarms": None,
        "received": None,
        "note": "",
    }


FAULTS = {
    "gone": camera_gone,
    "frozen": camera_frozen,
    "lost": lambda work: wire(work, "lose", 0.05),
    "corrupted": lambda work: wire(work, "corrupt", 0.05),
    "cut": wire_cut,
    "resolution": resolution,
    "garbage": garbage,
    "busy": busy,
    "disk": disk_full,
    "receivers": receivers,
    "bundle": bundle_replaced,
    "killed": killed,
}
SMOKED = ("garbage", "gone", "bundle", "killed")  # the first needs no RTSP


def fault(work, name):
    return FAULTS[name](Path(work))


def main():
    can_stream = not SERVER["why_no_rtsp"]() and shutil.which("ffmpeg")
    names = sized(list(FAULTS), SMOKED if can_stream else SMOKED[:1])
    parts = {"faults": lambda once: [once(fault, name) for name in names]}
    run_parts("live", parts, __doc__.split("\n")[0])


if __name__ == "__main__":
    run_command(main)
