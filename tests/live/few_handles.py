"""A whole inspection that may open few files; a process that never ends by itself.

    python3 tests/live/few_handles.py FOLDER

Prints the address of its page. The parts are defective as long as FOLDER/defect is
there; the stop command makes FOLDER/stopped.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np

from decisions.rule import Decision
from deployment.runtime import Inspector
from evaluation.predictor import Answer
from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.camera.capture import Frame
from live.delivery.outbox import Outbox
from live.delivery.targets import parse_stop_command
from live.inspection import Inspection
from live.page.server import serve
from live.page.view import View
from live.record.folder import Folder

NUM_HANDLES = 512


class SwitchedCapture:
    """A camera that shows defects as long as the file `switch` is there."""

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


def answer(image):
    bad = image[0, 0, 0] / 255
    return Answer(bad, np.array([bad, 1 - bad]))


def main(folder):
    resource.setrlimit(resource.RLIMIT_NOFILE, (NUM_HANDLES, NUM_HANDLES))
    stop = parse_stop_command(f"touch {folder / 'stopped'}")
    decision = Decision(0.4, 0.6, 0.5)
    inspection = Inspection(
        Inspector("b", "sha", ["bad", "good"], "good", decision, answer),
        SwitchedCapture(folder / "defect"),
        Folder(folder / "live", bundle_sha256="sha"),
        Alarm(parse_rule("3")),
        stop_outboxes=[Outbox(stop)],
    )
    print(serve(View(inspection), port=0).address, flush=True)
    inspection.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
