"""Inspects a camera with a bundle: decisions, alarms, and a page in the browser.

    goodparts live bottle.goodparts --source rtsp://camera/stream --roi 262,109,75,204
    goodparts live bottle.goodparts --source recording.mp4       (or folder/, 0, http://)
    goodparts live bottle.goodparts --source folder/ --follow    (files as they arrive)

Runs until Ctrl-C, or until a recording ends. The page is on http://127.0.0.1:8080; the
folder that is printed first holds the event log, thumbnails and clips.
"""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2

from deployment.runtime import load_bundle
from deployment.trust import Trust
from goodparts.command import InputError
from goodparts.files import PathLike
from goodparts.machine import raise_handle_limit
from goodparts.web import is_loopback
from live import PORT
from live.alarms.events import Alarm
from live.alarms.rules import parse_rule
from live.camera.capture import Capture
from live.camera.sources import open_source
from live.delivery.outbox import Outbox, stop_all
from live.delivery.targets import Target
from live.inspection import Inspection
from live.overlay import Window
from live.page.server import serve
from live.page.view import View
from live.record.folder import Folder
from live.record.verdicts import Verdicts
from preprocessing.region import Roi


def watch(
    bundle: PathLike,
    source: PathLike,
    *,
    out: PathLike = "live_events",
    roi: Roi | None = None,
    mask: Path | None = None,
    rule: str = "5",
    sends: Sequence[Target] = (),
    stop_command: Target | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    window: bool = False,
    trust: Trust | None = None,
    follow: bool = False,
    csv: PathLike | None = None,
) -> dict[str, int]:
    """Inspects a source until it ends or the process is asked to stop.

    Args:
        bundle: Folder of a bundle.
        source: See `live.camera.sources.open_source`.
        out: Folder of the event log, thumbnails and clips; an earlier log in it is
            continued.
        roi, mask: See `preprocessing.region.make_region`.
        rule: Text of `parse_rule`.
        sends, stop_command: `Target`s of `live.delivery.outbox`.
        host, port: Of the page; 0 for none. A recording has none unless a port is
            given, and then stays on it when it has ended.
        window: Whether to show a window; q in it ends.
        trust: `deployment.trust.Trust`, the required origin of the bundle; None for no
            requirement.
        follow: Whether images that arrive in the folder `source` later are inspected
            too, until the process is asked to stop.
        csv: Table of verdicts; with `follow` verdicts.csv in `out` unless given, and
            files that it has are not inspected again.

    Returns:
        The counts of frames by decision.

    Raises:
        InputError: If an input is not valid, before anything is inspected, or if a
            recording could not be read or inspected.
    """
    raise_handle_limit()
    cv2.setNumThreads(1)  # the threads of capture, network and clips share the cores
    ends = threading.Event()
    with _ending(ends), contextlib.ExitStack() as stack:
        inspector = load_bundle(bundle, trust=trust)
        opened = open_source(source, follow=follow, bit_depth=inspector.bit_depth)
        if port is None:
            port = 0 if opened.ends else PORT
        rule = _fitted_rule(rule, inspector.false_rejects)
        folder = Folder(out, bundle_sha256=inspector.sha256, tell=_print_line)
        stack.callback(_close, folder)

        def note_stop(event, problem):
            folder.note_stop(event["event"], problem)

        outboxes = [Outbox(target) for target in sends]
        stops = [Outbox(stop_command, note_stop)] if stop_command else []
        stack.callback(_stop_sending, outboxes + stops)
        csv = csv or (Path(out) / "verdicts.csv" if follow else None)
        verdicts = Verdicts(csv, tell=_say) if csv else None
        if verdicts and follow:
            opened = open_source(
                source,
                follow=True,
                judged=verdicts.judged_in(source),
                bit_depth=inspector.bit_depth,
            )
        if verdicts:
            stack.callback(_close_table, verdicts)
        capture = Capture(opened)
        inspection = Inspection(
            inspector,
            capture,
            folder,
            Alarm(rule),
            roi=roi,
            mask=mask,
            outboxes=outboxes,
            stop_outboxes=stops,
            source=opened.name,
            keeps_shape=opened.is_live or Path(source).is_file(),
            ends=ends,
            verdicts=verdicts,
        )
        if opened.note:
            _say(f"{opened.name}: {opened.note}")
        if port:
            stack.callback(_serve(inspection, host, port).stop)
        else:
            _say(f"the page is off; --port {PORT} turns it on")
        shown = None
        if window:
            shown = Window(inspector.name, inspector.map_range)
            stack.enter_context(shown)
        _say(_about_alarms(rule, inspector.false_rejects))
        capture.start()
        stack.callback(capture.stop)
        inspection.run(shown.show if shown else None)
        if port and not ends.is_set():
            _say("The recording has ended; the page stays open until you press Ctrl-C.")
            inspection.wait()
        counts = inspection.measures.counts()
        counts["unreadable"] = capture.status()["num_bad"]
    _say_counts(counts, opened.left_out, out)
    if opened.ends:
        _check_judged(counts, inspection.first_refusal, out)
    return counts


def _fitted_rule(text, false_rejects):
    try:
        return parse_rule(text, false_rejects)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--alarm-after {text} {error}") from error


def _serve(inspection, host, port):
    page = serve(View(inspection), host=host, port=port)
    _say(f"page: {page.address}")
    if not is_loopback(host):
        _say(
            f"Everybody who can reach {host} can see the page and stop the inspection."
        )
    return page


def _say_counts(counts, left_out, out):
    _say(", ".join(f"{count} {name}" for name, count in counts.items()))
    if left_out:
        counted = (f"{kind} {count}" for kind, count in left_out.items())
        _say(f"skipped, as they are not images: {', '.join(counted)}")
    _say(str(out))


def _check_judged(counts, refusal, out):
    """Raises InputError if a recording was not inspected completely, or not at all."""
    if counts["refused"] and not counts["frames"]:
        raise InputError(
            "No frame of the recording could be inspected. Reason for the first one: "
            f"{refusal}"
        )
    if counts["unreadable"]:
        raise InputError(
            f"{counts['unreadable']} frames of the recording could not be read: see "
            f"the line of kind 'source ended' in {out}/log.jsonl. The others were "
            "inspected."
        )


def _about_alarms(rule, false_rejects):
    frames = rule.frames_between_false_alarms(false_rejects)
    often = f"{frames:,.0f}" if frames < 1e6 else "more than a million"
    return (
        f"alarm after {rule.text}: one false alarm in {often} good frames on average, "
        f"if frames are independent and {false_rejects:.1%} of them are rejected (the "
        "expected rate from validate)"
    )


@contextlib.contextmanager
def _ending(ends):
    """Ctrl-C and SIGTERM set `ends` while the block runs; the loop then ends."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda *_: ends.set()) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _stop_sending(outboxes):
    for name, left in stop_all(outboxes).items():
        if left:
            print(f"{left} events were not sent to {name}.", file=sys.stderr)


def _close(folder):
    left = folder.close()
    if left:
        print(
            f"{left} lines of the event log could not be written: "
            f"{folder.log_state()['problem']}",
            file=sys.stderr,
        )


def _close_table(verdicts):
    verdicts.close()
    if verdicts.num_lost:
        print(
            f"{verdicts.num_lost} lines of {verdicts.path} could not be written: "
            f"{verdicts.problem}.",
            file=sys.stderr,
        )


def _say(text):
    """Prints; a terminal that was closed or is blocked does not end an inspection."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


def _print_line(line):
    """A line of the event log for the terminal."""
    about = [line["time"][11:19], line["kind"]]
    if "event" in line:
        about += [line["event"], *_about_frames(line)]
    else:
        hidden = ("number", "time", "kind", "bundle", "sha256")
        hidden += ("head", "num_events", "events", "clip_sha256")
        about += [
            f"{key} {value}"
            for key, value in line.items()
            if key not in hidden and value not in (None, "")
        ]
    _say("  ".join(map(str, about)))


def _about_frames(line):
    if line.get("problem"):
        return [line["problem"]]
    frames = f"frames {line['first_frame']}-{line['last_frame']}"
    return [frames, line["predicted"] or "", f"score {line['max_score']:.3f}"]
