"""Where events go: a webhook, an MQTT broker, a command that stops the line."""

import base64
import importlib.util
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import urllib.error
from argparse import ArgumentTypeError
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from goodparts.command import reason
from goodparts.secret_text import secret_text
from live.delivery.bounded_post import post

TIMEOUT_S = 10  # of one attempt
SEND_SYNTAX = (
    "http[s]://[USER:PASSWORD@]HOST/PATH or mqtt[s]://[USER:PASSWORD@]HOST[:PORT]/TOPIC"
)
PORTS = {"mqtt": 1883, "mqtts": 8883}


class Target(NamedTuple):
    """A receiver of events.

    `deliver(content)` takes the JSON bytes and returns when they were delivered. It
    raises OSError if another attempt may succeed, `Refused` if none will.
    """

    name: str  # to show: without passwords and tokens
    deliver: Callable[[bytes], None]
    longest_pause_s: float = 30
    patience_s: float | None = None  # events older than this are given up


class Refused(Exception):
    """The receiver refuses this event permanently."""


def parse_output(given: str, *, authority: ssl.SSLContext | None = None) -> Target:
    """argparse type of `--send`: a webhook or an MQTT topic, or a reference to one.

    A webhook gets a POST with the event as JSON; any status of 2xx means that it
    arrived. An MQTT topic gets it with QoS 1; the broker's acknowledgement counts.
    Both are tried until they answer. A webhook that answers 3xx or 4xx (408 and 429
    aside) has refused the event.

    By the rules for URLs, `http://me:12/34@host/` has the host `me` and the port 12,
    and the rest of the password would be shown as the path; so an `@` is only accepted
    at the end of a password.

    Args:
        given: The address, or `env:NAME` or `@FILE` for it; see `secret_text`.
        authority: Certificate authority for https:// and mqtts://, see
            `parse_authority`; None for the authorities of the system.
    """
    text = secret_text(given)
    try:
        parts = urlsplit(text)
        parts.port, (parts.hostname or "").encode("idna")  # both raise ValueError
    except ValueError:
        parts = urlsplit("")
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if parts.hostname and is_plain and text.count("@") == parts.netloc.count("@"):
        topic = unquote(parts.path[1:])
        wrong = set("#?") & set(text) or set("#+") & set(topic)  # `+`, `#`: wildcards
        if parts.scheme in ("http", "https"):
            return _webhook(parts, authority)
        if parts.scheme in PORTS and topic and topic.isprintable() and not wrong:
            return _broker(parts, topic, authority)
    raise ArgumentTypeError(
        f"must be {SEND_SYNTAX}; in a password, write / as %2F, and write @ as %40 "
        f"everywhere except before the host. Received: {_shown(given, text)!r}."
    )


def parse_authority(path: str | os.PathLike[str]) -> ssl.SSLContext:
    """argparse type of `--send-ca`: a PEM file, as the `ssl.SSLContext` that trusts it.

    It is trusted instead of the authorities of the system.
    """
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        fault = "is not a certificate in PEM format"
    except OSError as error:
        fault = f"cannot be read ({reason(error)})"
    raise ArgumentTypeError(
        f"{path} {fault}. Give the certificate file of a private certificate authority."
    )


def parse_stop_command(text: str) -> Target:
    """argparse type of `--stop-command`: a program that stops the line.

    It is run without a shell, gets the event as JSON on its standard input, and has
    10 s to end with status 0. A line that stops long after the defect only stops
    good parts: a failing command is tried again for 60 s, then the event is given
    up, and `last_error` says so.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{error}. Received: {text!r}.") from None
    if not words or shutil.which(words[0]) is None:
        raise ArgumentTypeError(
            "must be a program and its arguments; the program must exist and be "
            f"executable. Received: {text!r}."
        )
    return Target(
        f"stop command {os.path.basename(words[0])}",
        lambda content: _run(words, content),
        longest_pause_s=2,
        patience_s=60,
    )


def _webhook(parts, authority):
    """Target for the parts of a URL; its user and password become a header."""
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    headers = {"Content-Type": "application/json", "User-Agent": "goodparts"}
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    url = place.geturl()

    def deliver(content):
        try:
            post(url, content, headers, authority=authority, timeout_s=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            error.close()
            if 300 <= error.code < 500 and error.code not in (408, 429):
                raise Refused(f"{error.code} {error.reason}") from None
            raise OSError(f"{error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise OSError(_reason(error.reason)) from error

    path = re.sub(r"/[^/]{20,}", "/...", place.path)  # many services' tokens
    query = "..." if place.query else ""
    return Target(place._replace(path=path, query=query).geturl(), deliver)


def _broker(parts, topic, authority):
    if importlib.util.find_spec("paho") is None:
        raise ArgumentTypeError(f"{parts.scheme}:// needs the package paho-mqtt.")
    user, password = (unquote(text or "") for text in (parts.username, parts.password))
    port = parts.port or PORTS[parts.scheme]
    is_private = parts.scheme == "mqtts"

    def deliver(content):
        from paho.mqtt import client as mqtt  # only where it is used

        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False
        )
        client.connect_timeout, ends = TIMEOUT_S, monotonic() + TIMEOUT_S
        if user:
            client.username_pw_set(user, password)
        if is_private:
            client.tls_set_context(authority or ssl.create_default_context())
        try:
            # paho gives the TLS handshake as long as the interval of keep-alives
            client.connect(parts.hostname, port, keepalive=max(1, round(TIMEOUT_S)))
        except OSError as error:
            raise OSError(_reason(error)) from error
        try:
            _publish(client, topic, content, ends)
        finally:
            client.disconnect()

    return Target(f"{parts.scheme}://{parts.hostname}:{port}/{topic}", deliver)


def _reason(error):
    """Why a connection failed, in plain words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}); give a private "
            "certificate authority with --send-ca FILE"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({(error.reason or 'unknown cause').lower()})"
    return reason(error) if isinstance(error, OSError) else str(error)


def _publish(client, topic, content, ends):
    """Returns when the broker has acknowledged; raises OSError when it does not.

    `ends` is when it must have, by `monotonic()`.
    """
    from paho.mqtt.client import error_string

    answers = []
    client.on_connect = lambda *arguments: answers.append(arguments[3])
    message = None
    while message is None or not message.is_published():
        fault = client.loop(0.2)
        if not fault and message is None and client.is_connected():
            message = client.publish(topic, content, qos=1)
            fault = message.rc
        if fault:
            raise OSError(str(answers[0]) if answers else error_string(fault))
        if monotonic() > ends:
            raise TimeoutError(f"no acknowledgement within {TIMEOUT_S} s")


def _run(words, content):
    """Runs a program in its own process group, so that its children end with it."""
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            process.communicate(content, TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError(f"not finished within {TIMEOUT_S} s") from None
    if process.returncode:
        raise OSError(f"exit status {process.returncode}")


def _shown(given, text):
    """A wrong address without anything that may be a password."""
    if given != text:
        return given  # where it is written
    scheme, slashes, _ = text.partition("//")
    return f"{scheme if slashes else ''}//..." if set("@?") & set(text) else text
