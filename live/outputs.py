"""Where events go: a webhook, an MQTT broker, a command that stops the line.

An event is a dict with an `id`, sent as JSON at least once: a receiver that was
told and then lost the connection is told again, so let it tell repeats by the id.
"""

import base64
import importlib.util
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from argparse import ArgumentTypeError
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from time import monotonic
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 10  # of one attempt
FIRST_PAUSE_S = 0.5
MAX_WAITING = 1000
SEND_SYNTAX = (
    "http://HOST/PATH, https://HOST/PATH or mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC"
)
log = logging.getLogger(__name__)


class Target(NamedTuple):
    """A receiver of events.

    `deliver(content)` takes the JSON bytes and returns when they have arrived. It
    raises OSError when another attempt may help, `Refused` when none will.
    """

    name: str  # to show: without passwords and tokens
    deliver: Callable
    longest_pause_s: float = 30
    patience_s: float | None = None  # events older than this are given up


class Refused(Exception):
    """The receiver does not want this event, and will not want it later."""


class _Waiting(NamedTuple):
    event_id: str
    content: bytes
    since: float


def parse_output(text):
    """argparse type of `--send`: a webhook or an MQTT topic.

    A webhook gets a POST with the event as JSON; any status of 2xx means that it
    arrived. An MQTT topic gets it with QoS 1; the broker's acknowledgement counts.
    Both are tried until they answer. A webhook that answers 3xx or 4xx (408 and 429
    aside) has refused the event.

    Returns:
        Target.
    """
    try:
        parts = urlsplit(text)
        parts.port, (parts.hostname or "").encode("idna")  # both raise ValueError
    except ValueError:
        parts = urlsplit("")
    if parts.hostname and text.isascii() and text.isprintable() and " " not in text:
        topic = unquote(parts.path[1:])
        wrong = set("#?") & set(text) or set("#+") & set(topic)  # `+`, `#`: wildcards
        if parts.scheme in ("http", "https"):
            return _webhook(parts)
        if parts.scheme == "mqtt" and topic and topic.isprintable() and not wrong:
            return _broker(parts, topic)
    raise ArgumentTypeError(f"must be {SEND_SYNTAX}. Received: {_shown(text)!r}.")


def parse_stop_command(text):
    """argparse type of `--stop-command`: a program that stops the line.

    It is run without a shell, gets the event as JSON on its standard input, and has
    10 s to end with status 0. A line that stops long after the defect only stops
    good parts: a failing command is tried again for 60 s, then the event is given
    up, and `last_error` says so.

    Returns:
        Target.
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


class Outbox:
    """Sends events to one target in its own thread, in order, until they arrive.

    After a failed attempt it waits 0.5 s, twice as long every time, and tries the
    same event again. At most 1,000 events wait; beyond that the oldest of them is
    dropped and counted: what happens now matters more to a receiver, and the event
    log on disk has them all.
    """

    def __init__(self, target):
        self.target = target
        self._waiting = deque()
        self._changed = threading.Condition()
        self._ends = float("inf")  # when the thread must end, by monotonic()
        self._last_error = None
        self._num = {"sent": 0, "failed": 0, "dropped": 0}
        self._thread = threading.Thread(
            target=self._work, name=f"outbox: {target.name}", daemon=True
        )
        self._thread.start()

    def send(self, event):
        """Queues an event, a dict that JSON takes and that has an `id`; never waits."""
        content = json.dumps(event, ensure_ascii=False).encode()
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                del self._waiting[1]  # the first is being sent
                self._num["dropped"] += 1
                self._last_error = (
                    f"{MAX_WAITING} events were waiting; the oldest was dropped"
                )
            self._waiting.append(_Waiting(event["id"], content, monotonic()))
            self._changed.notify()

    def status(self):
        """What the page shows.

        `state` is "idle", "sending", "retrying", "failed" (the last event was given
        up) or "stopped"; `last_error` stands until an event arrives again.
        """
        with self._changed:
            num_waiting, error = len(self._waiting), self._last_error
            if monotonic() >= self._ends or not self._thread.is_alive():
                state = "stopped"
            elif num_waiting:
                state = "retrying" if error else "sending"
            else:
                state = "failed" if error else "idle"
            return {
                "name": self.target.name,
                "state": state,
                "num_waiting": num_waiting,
                **{f"num_{name}": number for name, number in self._num.items()},
                "last_error": error,
            }

    def stop(self, wait_s=5.0):
        """Tries to send what waits for at most `wait_s`.

        Returns:
            How many events were not sent.
        """
        with self._changed:
            self._ends = monotonic() + wait_s
            self._changed.notify()
        self._thread.join(wait_s)
        with self._changed:
            num_waiting = len(self._waiting)
        if num_waiting:
            log.error("%s: %d events were not sent", self.target.name, num_waiting)
        return num_waiting

    def _work(self):
        pause = FIRST_PAUSE_S
        while (first := self._first()) is not None:
            if self._attempt(first):
                pause = FIRST_PAUSE_S
            else:
                self._rest(pause)
                pause = min(2 * pause, self.target.longest_pause_s)

    def _first(self):
        """The oldest event; waits for one. None when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ends < float("inf"))
            if not self._waiting or monotonic() >= self._ends:
                return None
            return self._waiting[0]

    def _attempt(self, first):
        """Whether the event is dealt with: it has arrived, or it is given up."""
        patience = self.target.patience_s
        if patience is not None and monotonic() > first.since + patience:
            self._give_up(first, f"not done within {patience:g} s: {self._last_error}")
            return True
        try:
            self.target.deliver(first.content)
        except Refused as error:
            self._give_up(first, f"refused: {error}")
        except OSError as error:
            if self._last_error is None:
                log.warning("%s: %s; trying again", self.target.name, error)
            self._last_error = str(error)
            return False
        else:
            self._remove_first("sent", None)
        return True

    def _give_up(self, first, reason):
        log.error("%s: event %s is lost, %s", self.target.name, first.event_id, reason)
        self._remove_first("failed", reason)

    def _remove_first(self, outcome, error):
        with self._changed:
            self._num[outcome] += 1
            self._last_error = error
            self._waiting.popleft()

    def _rest(self, pause):
        """Waits; `stop` ends the pause that it finds, for one more attempt."""
        with self._changed:
            stopping = self._ends < float("inf")
            pause = min(pause, max(0, self._ends - monotonic()))
            self._changed.wait_for(
                lambda: not stopping and self._ends < float("inf"), timeout=pause
            )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without the event."""

    def redirect_request(self, *arguments):
        return None


def _webhook(parts):
    """Target for the parts of a URL; its user and password become a header."""
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
    headers = {"Content-Type": "application/json", "User-Agent": "goodparts"}
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    opener = urllib.request.build_opener(_NoRedirect)

    def deliver(content):
        request = urllib.request.Request(place.geturl(), content, headers)
        try:
            opener.open(request, timeout=TIMEOUT_S).close()
        except urllib.error.HTTPError as error:
            error.close()
            if 300 <= error.code < 500 and error.code not in (408, 429):
                raise Refused(f"{error.code} {error.reason}") from None
            raise OSError(f"{error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            raise OSError(str(error.reason)) from error
        except HTTPException as error:
            raise OSError(f"no proper answer ({error!r})") from error

    path = re.sub(r"/[^/]{20,}", "/...", place.path)  # many services' tokens
    query = "..." if place.query else ""
    return Target(place._replace(path=path, query=query).geturl(), deliver)


def _broker(parts, topic):
    if importlib.util.find_spec("paho") is None:
        raise ArgumentTypeError("mqtt:// needs the Python package paho-mqtt.")
    user, password = (unquote(text or "") for text in (parts.username, parts.password))
    port = parts.port or 1883

    def deliver(content):
        from paho.mqtt import client as mqtt  # only where it is used

        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False
        )
        client.connect_timeout = TIMEOUT_S
        if user:
            client.username_pw_set(user, password)
        client.connect(parts.hostname, port)
        try:
            _publish(client, topic, content)
        finally:
            client.disconnect()

    return Target(f"mqtt://{parts.hostname}:{port}/{topic}", deliver)


def _publish(client, topic, content):
    """Returns when the broker has acknowledged; raises OSError when it does not."""
    from paho.mqtt.client import error_string

    answers = []
    client.on_connect = lambda *arguments: answers.append(arguments[3])
    ends, message = monotonic() + TIMEOUT_S, None
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
    """Runs a program in a group of its own, so that a late one ends with its kin."""
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
            raise TimeoutError(f"not done within {TIMEOUT_S} s") from None
    if process.returncode:
        raise OSError(f"exit status {process.returncode}")


def _shown(text):
    """An address without user, password and query."""
    return re.sub(r"\?.*", "?...", re.sub(r"//.*@", "//", text))
