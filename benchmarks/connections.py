"""How long the stop command waits while idle connections crowd the page.

    python3 benchmarks/connections.py

A minute. An inspection in a process of its own, which may open 512 files, and a stop
command that touches a file; so many connections are opened to its page, and one client
sends its request a byte at a time. Then a defect appears: `stop_s` is the time to the
end of the stop command, `answer_s` that of a request for the state after it.
"""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from figures import make_parser, sized, write_figures

from decisions.rule import Decision
from deployment.runtime import Inspector
from evaluation.predictor import Answer
from goodparts.command import run_command
from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.camera.capture import Frame
from live.delivery.outbox import Outbox
from live.delivery.targets import parse_stop_command
from live.inspection import Inspection
from live.page.server import serve
from live.page.view import View
from live.record.folder import Folder

CROWDS = sized((0, 100, 1200), (0, 10))  # idle connections
NUM_TRIALS = sized(5, 1)
NUM_HANDLES = 512
PATIENCE_S = 120


class Switched:
    """A camera that shows defects while the file `switch` is there."""

    def __init__(self, switch):
        self.switch, self.number = switch, -1

    def next(self, timeout):
        time.sleep(0.02)
        self.number += 1
        image = np.full((40, 60, 3), 220 if self.switch.exists() else 20, np.uint8)
        return Frame(image, self.number, time.monotonic(), None)

    def status(self):
        counts = dict.fromkeys(("frames", "dropped", "bad", "reconnects"), 0)
        about = {"state": "running", "last_error": None, "frames_per_s": 30.0}
        return {**{f"num_{key}": 0 for key in counts}, **about, "size": [40, 60]}


def inspect(folder):
    """The inspection; never ends by itself."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (NUM_HANDLES, NUM_HANDLES))

    def answer(image):
        bad = image[0, 0, 0] / 255
        return Answer(bad, np.array([bad, 1 - bad]))

    stop = parse_stop_command(f"touch {folder / 'stopped'}")
    decision = Decision(0.4, 0.6, None)
    inspection = Inspection(
        Inspector("b", "sha", ["bad", "good"], "good", decision, answer),
        Switched(folder / "defect"),
        Folder(folder / "live", bundle_sha256="sha"),
        Alarm(parse_rule("3")),
        stop_outboxes=[Outbox(stop)],
    )
    print(serve(View(inspection), port=0).address, flush=True)
    inspection.run()


def trial(num_idle):
    """Seconds to the stop command, and of a request after it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        process = subprocess.Popen(
            [sys.executable, __file__, "--inspect", folder],
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(process.stdout.close)
        stack.callback(process.wait)
        stack.callback(process.kill)
        address = process.stdout.readline().strip()
        ask(address)
        port = int(address.rpartition(":")[2])
        slow = stack.enter_context(connect(port))
        slow.sendall(b"GET /state HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(num_idle):
            with contextlib.suppress(OSError):
                stack.enter_context(connect(port))
        began = time.monotonic()
        (folder / "defect").touch()
        while not (folder / "stopped").exists():
            if time.monotonic() > began + PATIENCE_S:
                return float("inf"), float("inf")
            with contextlib.suppress(OSError):
                slow.sendall(b"x")
            time.sleep(0.005)
        stopped = time.monotonic()
        ask(address)
        return stopped - began, time.monotonic() - stopped


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def ask(address):
    with urllib.request.urlopen(address + "/state", timeout=PATIENCE_S) as answer:
        return json.load(answer)


def main():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--inspect", type=Path, help="for the process that inspects")
    arguments = parser.parse_args()
    if arguments.inspect:
        inspect(arguments.inspect)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rows = []
    for num_idle in CROWDS:
        stops, answers = np.array([trial(num_idle) for _ in range(NUM_TRIALS)]).T
        rows.append(
            {
                "idle_connections": num_idle,
                "trials": NUM_TRIALS,
                "stop_s_median": round(np.median(stops), 3),
                "stop_s_most": round(stops.max(), 3),
                "answer_s_most": round(answers.max(), 3),
                "handles": NUM_HANDLES,
                "cpus": os.cpu_count(),
            }
        )
    write_figures("connections", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
