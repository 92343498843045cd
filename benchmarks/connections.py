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
import runpy
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from figures import make_parser, sized, write_figures

from goodparts.command import run_command

CROWDS = sized((0, 100, 1200), (0, 10))  # idle connections
NUM_TRIALS = sized(5, 1)
ROOT = Path(__file__).parent.parent
INSPECTION = ROOT / "tests" / "live" / "few_handles.py"
PATIENCE_S = 120
HANDLES = runpy.run_path(str(INSPECTION), run_name="few_handles")["NUM_HANDLES"]


def trial(num_idle):
    """Seconds to the stop command, and of a request after it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        process = subprocess.Popen(
            [sys.executable, INSPECTION, folder],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
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
    arguments = make_parser(__doc__.split("\n")[0]).parse_args()
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
                "handles": HANDLES,
                "cpus": os.cpu_count(),
            }
        )
    write_figures("connections", rows, arguments.out)


if __name__ == "__main__":
    run_command(main)
