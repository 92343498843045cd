"""Watches a camera with a bundle: verdicts, alarms, and a page in the browser.

    pipenv run live bottle.goodparts --source rtsp://camera/stream --roi 262,109,75,204
    pipenv run live bottle.goodparts --source recording.mp4       (or folder/, 0, http://)

Runs until Ctrl-C, or until a recording ends. The page is on http://127.0.0.1:8080; the
folder that is printed first holds the event log, thumbnails and clips.
"""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

from deployment.runtime import load_bundle
from live.alarm_rules import parse_rule
from live.alarms import Alarm
from live.capture import Capture
from live.folder import Folder
from live.inspection import Inspection
from live.outputs import Outbox, parse_output, parse_stop_command
from live.page import is_loopback, serve
from live.picture import Window
from live.sources import open_source
from preprocessing.command import run_command
from preprocessing.region import parse_roi

PORT = 8080


def watch(
    bundle, source, *, out="live_events", roi=None, mask=None, rule="5", sends=(),
    stop_command=None, host="127.0.0.1", port=None, window=False,
):  # fmt: skip
    """Inspects a source until it ends or the process is asked to stop.

    Args:
        bundle: Folder of a bundle.
        source: See `live.sources.open_source`.
        out: Folder of the event log, thumbnails and clips; an earlier log in it is
            continued.
        roi, mask: See `preprocessing.region.make_region`.
        rule: Text of `parse_rule`.
        sends, stop_command: `Target`s of `live.outputs`.
        host, port: Of the page; 0 for none. A recording has none unless a port is
            given, and then stays on it when it has ended.
        window: Whether to show a window; q in it ends.

    Returns:
        The counts of frames by decision.

    Raises:
        InputError: If something is not as it has to be, before anything is inspected.
    """
    inspector = load_bundle(bundle)
    opened = open_source(source)
    if port is None:
        port = PORT if opened.is_live else 0
    with contextlib.ExitStack() as stack:
        capture = Capture(source)
        folder = Folder(out, bundle_sha256=inspector.sha256, tell=_print_line)
        stack.callback(_close, folder)
        alarm = Alarm(parse_rule(rule, min(inspector.false_rejects, 0.29)))
        outboxes = [stack.enter_context(_outbox(target)) for target in sends]
        stops = [stack.enter_context(_outbox(stop_command))] if stop_command else []
        inspection = Inspection(
            inspector, capture, folder, alarm, roi=roi, mask=mask, outboxes=outboxes,
            stop_outboxes=stops, source=opened.name,
        )  # fmt: skip
        page = None
        if port:
            page = serve(inspection, host=host, port=port)
            stack.callback(page.stop)
            print(f"page: {page.address}", flush=True)
        if page and not is_loopback(host):
            print(f"Everybody who reaches {host} can see it and stop inspection.")
        shown = stack.enter_context(Window(inspector.name)) if window else None
        capture.start()
        stack.callback(capture.stop)
        stack.enter_context(_ending(inspection))
        inspection.run(shown.show if shown else None)
        if page and not inspection.is_ending:
            print("The recording has ended; the page stays until Ctrl-C.", flush=True)
            inspection.wait()
        return inspection.measures.counts()


@contextlib.contextmanager
def _ending(inspection):
    """Ctrl-C and SIGTERM end the inspection in good order while the block runs."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda *_: inspection.stop()) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@contextlib.contextmanager
def _outbox(target):
    outbox = Outbox(target)
    try:
        yield outbox
    finally:
        left = outbox.stop()
        if left:
            print(f"{left} events were not sent to {target.name}.", file=sys.stderr)


def _close(folder):
    left = folder.close()
    if left:
        print(
            f"{left} lines of the event log could not be written: "
            f"{folder.log_state()['problem']}",
            file=sys.stderr,
        )


def _print_line(line):
    """A line of the event log for the terminal."""
    about = [line["time"][11:19], line["kind"]]
    if "event" in line:
        about += [line["event"], f"frames {line['first_frame']}-{line['last_frame']}"]
        about += [line["predicted"], f"score {line['max_score']:.3f}"]
    else:
        hidden = ("number", "time", "kind", "bundle", "sha256")
        about += [
            f"{key} {value}"
            for key, value in line.items()
            if key not in hidden and value not in (None, "")
        ]
    print("  ".join(map(str, about)), flush=True)


def _rule(text):
    parse_rule(text)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", help="made by `pipenv run export`")
    parser.add_argument(
        "--source", required=True,
        help="rtsp://..., http://..., a device number, a video file or a folder",
    )  # fmt: skip
    parser.add_argument("--roi", type=parse_roi, help="x,y,w,h[@WIDTHxHEIGHT]")
    parser.add_argument("--mask", type=Path, help="white on the part; lossless image")
    parser.add_argument(
        "--alarm-after", type=_rule, default="5",
        help="5 defective frames in a row, 3/7, or cusum[:frames between false alarms]",
    )  # fmt: skip
    parser.add_argument("--out", default="live_events", help="folder of log and clips")
    parser.add_argument(
        "--send", type=parse_output, action="append", default=[],
        help="webhook or mqtt://host/topic that gets the events; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--stop-command", type=parse_stop_command,
        help="run on every alarm, the event on its standard input",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address of the page")
    parser.add_argument("--port", type=_port, help=f"of the page, {PORT}; 0 for none")
    parser.add_argument("--window", action="store_true", help="show a window; q quits")
    arguments = parser.parse_args()
    counts = watch(
        arguments.bundle, arguments.source, out=arguments.out, roi=arguments.roi,
        mask=arguments.mask, rule=arguments.alarm_after, sends=arguments.send,
        stop_command=arguments.stop_command, host=arguments.host, port=arguments.port,
        window=arguments.window,
    )  # fmt: skip
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    print(arguments.out)


def _port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535. Received: {text!r}.")
    return int(text)


if __name__ == "__main__":
    run_command(main)
