"""Inspects a camera with a bundle: decisions, alarms, and a page in the browser.

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
    add("bundle", help="bundle made by goodparts export")
    add(
        "--source",
        required=True,
        help="rtsp://..., http://..., a device number, a video file or a folder; "
        f"{HOW}",
    )
    add(
        "--roi",
        type=parse_roi,
        help="region of interest, x,y,width,height[@WIDTHxHEIGHT of the frame]",
    )
    add("--mask", type=Path, help="mask image, white on the part; in a lossless format")
    add(
        "--alarm-after",
        type=_rule,
        default="5",
        help="alarm rule: 5 for five defective frames in a row, 3/7 for three of the "
        "last seven, or cusum[:mean number of frames between false alarms]",
    )
    add("--out", default="live_events", help="folder for the event log and the clips")
    add(
        "--send",
        type=_output,
        action="append",
        default=[],
        help="webhook URL, mqtt://host/topic or mqtts://host/topic to which events "
        "are sent; or env:NAME or @FILE; may be repeated",
    )
    add(
        "--send-ca",
        type=parse_authority,
        metavar="FILE",
        help="certificate of a private certificate authority, for https:// and "
        "mqtts://",
    )
    add(
        "--stop-command",
        type=parse_stop_command,
        help="program that is run at every alarm, with the event on its standard input",
    )
    add(
        "--follow",
        action="store_true",
        help="also inspect the images that arrive in the folder later",
    )
    add(
        "--csv",
        metavar="FILE",
        help="table to which a row is added for each frame; with --follow, "
        "verdicts.csv in --out, from which the files that were already inspected "
        "are known",
    )
    add("--host", default="127.0.0.1", help="address at which the page is served")
    add(
        "--port",
        type=_port,
        help=f"port of the page (default: {PORT}); 0 turns the page off",
    )
    add("--window", action="store_true", help="also show a window; press q to quit")
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
