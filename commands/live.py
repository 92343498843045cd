"""Inspects a camera with a bundle: verdicts, alarms, and a page in the browser.

    goodparts live bottle.goodparts --source rtsp://camera/stream --roi 262,109,75,204
    goodparts live bottle.goodparts --source recording.mp4       (or folder/, 0, http://)
    goodparts live bottle.goodparts --source folder/ --follow    (files as they arrive)

Runs until Ctrl-C, or until a recording ends. The page is on http://127.0.0.1:8080; the
folder that is printed first holds the event log, thumbnails and clips.
"""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from deployment.trust import add_trust_arguments, asked_trust
from goodparts.command import InputError
from goodparts.loading import loading
from goodparts.secret_text import HOW
from live import PORT
from live.alarms.rules import parse_rule
from live.delivery.targets import parse_authority, parse_output, parse_stop_command
from preprocessing.region import parse_roi


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("bundle", help="made by goodparts export")
    add(
        "--source",
        required=True,
        help="rtsp://..., http://..., a device number, a video file or a folder; "
        f"{HOW}",
    )
    add("--roi", type=parse_roi, help="x,y,w,h[@WIDTHxHEIGHT]")
    add("--mask", type=Path, help="white on the part; lossless image")
    add(
        "--alarm-after",
        type=_rule,
        default="5",
        help="5 defective frames in a row, 3/7, or cusum[:frames between false alarms]",
    )
    add("--out", default="live_events", help="folder of log and clips")
    add(
        "--send",
        type=_output,
        action="append",
        default=[],
        help="webhook, mqtt://host/topic or mqtts:// that gets the events, or env:NAME "
        "or @FILE for it; may be repeated",
    )
    add(
        "--send-ca",
        type=parse_authority,
        metavar="FILE",
        help="certificate of a private authority, for https:// and mqtts://",
    )
    add(
        "--stop-command",
        type=parse_stop_command,
        help="run on every alarm, the event on its standard input",
    )
    add(
        "--follow",
        action="store_true",
        help="go on with the images that arrive in the folder",
    )
    add(
        "--csv",
        metavar="FILE",
        help="append a line per frame; with --follow verdicts.csv in --out, by which "
        "files that were inspected before are left out",
    )
    add("--host", default="127.0.0.1", help="address of the page")
    add("--port", type=_port, help=f"of the page, {PORT}; 0 for none")
    add("--window", action="store_true", help="show a window; q quits")
    add_trust_arguments(parser)


def run(arguments: Namespace) -> None:
    with loading():
        from live.camera.sources import parse_source
        from live.watch import watch
    try:
        source = parse_source(arguments.source)
    except ArgumentTypeError as error:
        raise InputError(f"--source {error}") from None
    watch(
        arguments.bundle,
        source,
        out=arguments.out,
        roi=arguments.roi,
        mask=arguments.mask,
        rule=arguments.alarm_after,
        sends=[
            parse_output(given, authority=arguments.send_ca) for given in arguments.send
        ],
        stop_command=arguments.stop_command,
        host=arguments.host,
        port=arguments.port,
        window=arguments.window,
        trust=asked_trust(arguments),
        follow=arguments.follow,
        csv=arguments.csv,
    )


def _output(given):
    """argparse type: what `parse_output` takes, made when --send-ca is known."""
    parse_output(given)
    return given


def _rule(text):
    parse_rule(text)
    return text


def _port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise ArgumentTypeError(f"must be 0 to 65535. Received: {text!r}.")
    return int(text)
