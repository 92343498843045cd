"""The browser page: its routes and guards over HTTP, the page itself in Chromium."""

import base64
import fcntl
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import pytest

from goodparts.command import InputError
from goodparts.web import is_loopback, is_own_name
from live.page.server import ASSETS, serve

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
EVENT = "20261121T123456-0001"
PATIENCE = 60  # seconds in which anything here happens, however busy the machine
READ = """(selector) => {
    const found = document.querySelector(selector);
    return found?.checkVisibility() ? found.innerText : "";
}"""
EVIL = "<img src=x onerror=document.title='owned'>"


class FakeWatch:
    """What a watch offers, as plain attributes that a test changes."""

    def __init__(self, folder):
        self.folder = folder
        self.commands, self.closed = [], []
        self.number, self.jpeg = 7, jpeg(7)
        self.healthy = True
        self.num_pictures_asked = 0
        self.facts = facts()
        self.judges_pictures = True
        self.event_list = []

    def state(self):
        return self.facts

    def events(self):
        return self.event_list

    def picture(self):
        self.num_pictures_asked += 1
        verdict = self.facts["verdict"] if self.judges_pictures else None
        return None if self.jpeg is None else (self.number, self.jpeg, verdict)

    def command(self, do, event_id):
        if event_id in self.closed:
            return f"Event {event_id} is already acknowledged."
        self.commands.append((do, event_id))
        if do == "acknowledge":
            self.facts["alarm"] = {**self.facts["alarm"], "state": "clear"}
        else:
            self.facts["running"] = do == "start"
        return None

    def media(self, kind, event_id):
        return (
            self.folder / kind / f"{event_id}{'.jpg' if kind == 'events' else '.mp4'}"
        )

    def metrics(self):
        return b"goodparts_frames_total 12\n"

    def health(self):
        return self.healthy, {"frames_per_s": 30.0}

    def show_next(self):
        picture = jpeg(self.number + 1)
        self.number, self.jpeg = self.number + 1, picture  # asked for at any time
        if self.facts["verdict"]:
            self.facts["verdict"] = {**self.facts["verdict"], "number": self.number}


def facts():
    """A state of the watch while all is well."""
    return {
        "bundle": "bottle",
        "bundle_sha256": "3f" * 32,
        "source": "rtsp://camera-2/line",
        "running": True,
        "capture": {
            "state": "running",
            "num_frames": 120,
            "num_dropped": 3,
            "num_bad": 0,
            "num_reconnects": 0,
            "follows": False,
            "last_error": None,
            "frames_per_s": 30.0,
            "size": [368, 640],
        },
        "frame_age_s": 0.05,
        "verdict": {
            "decision": "accept",
            "reason": "",
            "defect_score": 0.031,
            "predicted": "no_anomaly",
            "number": 7,
            "age_s": 0.05,
        },
        "lines": {"accept_below": 0.2, "reject_from": 0.8},
        "alarm": {
            "state": "clear",
            "since": None,
            "event": None,
            "ended": False,
            "num_alarms": 0,
            "waiting": [],
            "rule": "5",
        },
        "counts": {"accept": 117, "reject": 2, "inspect": 1, "frames": 120},
        "rate": {"frames_per_s": 29.9, "latency_p50_ms": 9.2, "latency_p99_ms": 21.0},
        "scores": [[2.0, 0.03, "accept"], [1.0, 0.5, "inspect"], [0.1, 0.9, "reject"]],
        "outputs": [],
        "log": {
            "path": "events.jsonl",
            "num_lines": 4,
            "problem": None,
            "warning": None,
        },
    }


def event(**changed):
    return {
        "id": EVENT,
        "kind": "alarm",
        "began": "2026-11-21T12:34:56+00:00",
        "ended": "2026-11-21T12:34:59+00:00",
        "acknowledged": None,
        "num_frames": 14,
        "predicted": "no_lid",
        "max_score": 0.97,
        "thumbnail": f"events/{EVENT}.jpg",
        "clip": None,
        **changed,
    }


def jpeg(number):
    image = np.full((92, 160, 3), number * 37 % 200 + 30, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


@pytest.fixture
def watch(tmp_path):
    for kind, suffix, content in (
        ("events", "jpg", jpeg(1)),
        ("clips", "mp4", bytes(range(100))),
    ):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{EVENT}.{suffix}").write_bytes(content)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return FakeWatch(tmp_path)


@pytest.fixture
def page(watch):
    page = serve(watch, port=0)
    yield page
    page.stop()


def ask(page, path, *, data=None, **headers):
    """Status, headers and body; names of headers with `_` for `-`."""
    request = urllib.request.Request(page.address + path, data=data)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_page_and_its_parts_have_a_strict_policy(page):
    for path in ("/", *(f"/{name}" for name in ASSETS)):
        status, headers, body = ask(page, path)
        assert status == 200
        assert body
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"http" not in ask(page, "/")[2], "a request to somewhere else"


def test_state_and_events_are_never_stored(page, watch):
    watch.event_list = [event()]
    for path, expected in (("/state", watch.facts), ("/events", [event()])):
        status, headers, body = ask(page, path)
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        assert json.loads(body) == expected


def test_paths_that_are_not_utf8_are_answered(page, watch):
    watch.facts = {**watch.facts, "source": "hot\udcff"}
    status, _, body = ask(page, "/state")
    assert status == 200 and json.loads(body) == watch.facts


def test_unchanged_picture_costs_nothing(page, watch):
    status, headers, body = ask(page, "/picture.jpg")
    assert (status, body) == (200, watch.jpeg)
    again = ask(page, "/picture.jpg", If_None_Match=headers["ETag"])
    assert (again[0], again[2]) == (304, b"")
    watch.show_next()
    assert ask(page, "/picture.jpg", If_None_Match=headers["ETag"])[0] == 200


def test_no_picture_yet_is_503(page, watch):
    watch.jpeg = None
    assert ask(page, "/picture.jpg")[0] == 503
    assert ask(page, "/picture?after=-1")[0] == 503


def test_long_poll_answers_with_the_next_picture(page, watch, monkeypatch):
    monkeypatch.setattr("live.page.server.LONGEST_WAIT_S", PATIENCE)
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(page, "/picture?after=7"))
    )
    asking.start()
    while not watch.num_pictures_asked:
        time.sleep(0.01)
    watch.show_next()
    asking.join()
    status, headers, body = answers[0]
    assert (status, headers["X-Picture-Number"], body) == (200, "8", watch.jpeg)


def test_long_poll_ends_without_a_newer_picture(page):
    assert ask(page, "/picture?after=7")[0] == 204


def test_a_new_run_that_counts_from_zero_is_shown(page):
    assert ask(page, "/picture?after=5000")[0] == 200


@pytest.mark.parametrize("do", ["start", "stop", "acknowledge"])
def test_commands(page, watch, do):
    body = json.dumps({"do": do}).encode()
    assert ask(page, "/command", data=body, X_Goodparts="page")[0] == 204
    assert watch.commands == [(do, None)]


def test_acknowledgement_says_what_was_seen(page, watch):
    for do in ("acknowledge", "stop"):
        body = json.dumps({"do": do, "event": EVENT}).encode()
        assert ask(page, "/command", data=body, X_Goodparts="page")[0] == 204
    assert watch.commands == [("acknowledge", EVENT), ("stop", None)]


def test_an_event_that_does_not_wait_is_a_conflict(page, watch):
    watch.closed = [EVENT]
    body = json.dumps({"do": "acknowledge", "event": EVENT}).encode()
    status, _, text = ask(page, "/command", data=body, X_Goodparts="page")
    assert (status, text.decode()) == (409, f"Event {EVENT} is already acknowledged.")
    assert watch.commands == []


def test_commands_of_a_foreign_page_are_refused(page, watch):
    body = b'{"do": "stop"}'
    assert ask(page, "/command", data=body)[0] == 403
    preflight = urllib.request.Request(
        page.address + "/command",
        method="OPTIONS",
        headers={"Origin": "http://evil.example"},
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(preflight, timeout=PATIENCE)
    assert error.value.headers["Access-Control-Allow-Origin"] is None
    assert ask(page, "/command")[0] == 404  # GET, as an image or a link would
    assert watch.commands == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"do": "explode"}', 400),
        (b'{"do": ["stop"]}', 400),
        (b'["stop"]', 400),
        (b'{"do": "acknowledge", "event": "../../x"}', 400),
        (b'{"do": "acknowledge", "event": ["20261121T123456-0001"]}', 400),
        (b'{"do": "acknowledge", "event": 7}', 400),
        (b"\xff", 400),
        (b" " * 100_000, 413),
    ],
)
def test_wrong_commands_are_refused(page, watch, body, status):
    assert ask(page, "/command", data=body, X_Goodparts="page")[0] == status
    assert watch.commands == []


def test_foreign_host_names_are_refused(page, watch):
    port = page.address.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        body = b'{"do": "stop"}'
        assert ask(page, "/state", Host=host)[0] == 400
        answer = ask(page, "/command", data=body, X_Goodparts="page", Host=host)
        assert answer[0] == 400
    for host in (f"localhost:{port}", "127.0.0.1:9999", "[::1]:8080"):
        assert ask(page, "/state", Host=host)[0] == 200
    assert watch.commands == []


def test_foreign_host_names_are_refused_on_the_network_too(watch):
    """A foreign page may let its own name lead here: DNS rebinding."""
    page = serve(watch, host="0.0.0.0", port=0)
    port = page.address.rpartition(":")[2]
    body, own = b'{"do": "stop"}', socket.gethostname()
    for host in ("evil.example", f"evil.example:{port}", f"{own}.evil.example", "a@b"):
        assert ask(page, "/state", Host=host)[0] == 400
        answer = ask(
            page,
            "/command",
            data=body,
            X_Goodparts="page",
            Host=host,
            Origin=f"http://{host}",
        )
        assert answer[0] == 400
    assert watch.commands == []
    for host in (f"192.168.1.5:{port}", "[fe80::1]:80", "localhost", own.upper()):
        assert ask(page, "/state", Host=host)[0] == 200
    page.stop()


def test_own_names():
    assert is_own_name("line-3.factory", host="line-3.factory")
    assert is_own_name(f"{socket.gethostname()}.local", host="0.0.0.0")
    assert not is_own_name("line-3.factory", host="0.0.0.0")
    assert not is_own_name("192.168.1.5", host="127.0.0.1")


def test_commands_of_a_foreign_origin_are_refused(page, watch):
    body, port = b'{"do": "stop"}', page.address.rpartition(":")[2]
    foreign = ("null", "http://evil.example", "http://127.0.0.1:1", "//")
    for origin in (*foreign, f"http://localhost:{port}", page.address):
        status, _, _ = ask(
            page, "/command", data=body, X_Goodparts="page", Origin=origin
        )
        assert status == (204 if origin == page.address else 403)
    assert watch.commands == [("stop", None)]


@pytest.mark.parametrize(
    "path",
    [
        "/events/../secret.jpg",
        "/events/%2e%2e/secret.jpg",
        "/events/..%2fsecret.jpg",
        "/events/secret.jpg",
        f"/events/{EVENT}.mp4",
        f"/events/{EVENT}.jpg%00",
        f"/events/{EVENT}%0a.jpg",
        f"/clips/{EVENT}.jpg",
        f"/clips/{EVENT[:-1]}2.mp4",
        f"/other/{EVENT}.jpg",
        "/page.py",
        "/../page.py",
    ],
)
def test_nothing_else_is_served(page, path):
    host, port = page.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    connection.request("GET", path)  # as it stands, not tidied by urllib
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 404
    assert b"secret" not in body


def test_media_with_byte_ranges(page):
    status, headers, body = ask(page, f"/clips/{EVENT}.mp4", Range="bytes=10-19")
    assert (status, body) == (206, bytes(range(10, 20)))
    assert headers["Content-Range"] == "bytes 10-19/100"
    assert headers["Content-Type"] == "video/mp4"
    assert ask(page, f"/clips/{EVENT}.mp4", Range="bytes=500-")[0] == 416
    status, headers, body = ask(page, f"/events/{EVENT}.jpg")
    assert (status, headers["Content-Type"], body) == (200, "image/jpeg", jpeg(1))


def test_health_and_metrics(page, watch):
    assert ask(page, "/healthz")[0] == 200
    watch.healthy = False
    status, _, body = ask(page, "/healthz")
    assert (status, json.loads(body)) == (503, {"frames_per_s": 30.0})
    _, headers, body = ask(page, "/metrics")
    assert headers["Content-Type"].startswith("text/plain")
    assert body == b"goodparts_frames_total 12\n"


def test_a_taken_port_is_named(page, watch):
    port = int(page.address.rpartition(":")[2])
    with pytest.raises(InputError, match=f"port {port} .*in use.*--port"):
        serve(watch, port=port)


@pytest.mark.parametrize(("host", "port"), [("203.0.113.9", 0), ("127.0.0.1", 70_000)])
def test_an_impossible_address_is_a_users_mistake(watch, host, port):
    with pytest.raises(InputError, match=host):
        serve(watch, host=host, port=port)


def test_loopback_addresses():
    loopback = ("127.0.0.1", "127.3.2.1", "::1", "localhost")
    assert all(map(is_loopback, loopback))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "line-3", "")))


def test_stop_with_open_connections_frees_the_port(watch):
    page = serve(watch, port=0)
    port = int(page.address.rpartition(":")[2])
    idle, half, waiting, slow = (
        socket.create_connection(("127.0.0.1", port)) for _ in range(4)
    )
    half.sendall(b"GET /state HTTP/1.1\r\nHost: local")
    waiting.sendall(b"GET /picture?after=7 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    (watch.folder / "clips" / f"{EVENT}.mp4").write_bytes(bytes(50_000_000))
    slow.sendall(f"GET /clips/{EVENT}.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    slow.recv(1000)  # and no more
    page.stop()
    page.thread.join(PATIENCE)
    assert not page.thread.is_alive()
    serve(watch, port=port).stop()
    for connection in (idle, half, waiting, slow):
        connection.close()


# ---- the page itself, in a browser ---------------------------------------------


class Browser:
    """Headless Chromium over its DevTools pipe: JSON ended by a zero byte."""

    def __init__(self, folder):
        # Chromium reads file 3 and writes file 4; bash puts the pipes there.
        pipes = [*os.pipe(), *os.pipe()]
        read_end, self._to, from_end, write_end = (
            fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in pipes
        )
        for end in pipes:
            os.close(end)
        self._from = os.fdopen(from_end, "rb")
        flags = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
            "--disable-background-networking --disable-component-update "
            "--disable-sync --disable-dev-shm-usage --remote-debugging-pipe"
        ).split()
        place = f'exec 3<&{read_end} 4>&{write_end}; exec "$@"'
        command = ["bash", "-c", place, "bash", CHROMIUM, *flags]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(read_end, write_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        self._num_sent = 0
        self._session = None
        self.problems = []  # exceptions and refused contents of the page

    def open(self, address, *, width=1280, height=800):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.resize(width, height)
        self.send("Page.navigate", url=address)

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.send("Emulation.setDeviceMetricsOverride", **size, mobile=width < 800)

    def send(self, method, **params):
        self._num_sent += 1
        message = {"id": self._num_sent, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._num_sent:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self):
        content = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            content += byte
        message = json.loads(content)
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(message["params"]["exceptionDetails"])
        elif message.get("method") == "Log.entryAdded":
            if message["params"]["entry"]["source"] == "security":
                self.problems.append(message["params"]["entry"]["text"])
        return message

    def value(self, expression):
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True
        )
        return answer["result"].get("value")

    def text(self, selector):
        """What is to be read there; empty where nothing is shown."""
        return self.value(f"({READ})({selector!r})")

    def wait(self, expression):
        for _ in range(100):
            if self.value(expression):
                return
            time.sleep(0.1)
        raise AssertionError(f"never true: {expression}")

    def wait_text(self, selector, text):
        self.wait(f"({READ})({selector!r}).includes({text!r})")

    def click(self, selector):
        """A press at the middle of it, on whatever lies on top there."""
        box = self.value(
            "(() => { const box = document.querySelector("
            f"{selector!r}).getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            spot = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **spot)

    def press_space(self):
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=" ", code="Space", text=" "
            )

    def screenshot(self, path):
        picture = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self):
        os.close(self._to)  # Chromium ends with its pipe
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()


@pytest.fixture
def browser(tmp_path_factory):
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: the page is not tried in a browser")
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
    assert browser.problems == []


@contextmanager
def moving(watch):
    """New pictures ten times a second, as a camera would give them."""
    ended = threading.Event()

    def run():
        while not ended.wait(0.1):
            watch.show_next()

    camera = threading.Thread(target=run)
    camera.start()
    yield ended.set
    ended.set()
    camera.join()


@pytest.mark.slow
def test_alarm_is_shown_and_acknowledged_by_a_click(page, watch, browser):
    watch.event_list = [event()]
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#alarm", "No alarm")
        browser.wait_text("#verdict", "ACCEPT")
        assert browser.text("#acknowledge") == ""
        since = datetime.now(UTC) - timedelta(seconds=5)
        watch.facts["alarm"].update(state="alarm", since=since.isoformat(), event=EVENT)
        watch.facts["verdict"].update(decision="reject", predicted="no_lid")
        browser.wait_text("#alarm", "ALARM")
        browser.wait_text("#verdict", "REJECT")
        browser.press_space()
        assert watch.commands == []
        browser.click("#acknowledge")
        browser.wait_text("#alarm", "No alarm")
        assert watch.commands == [("acknowledge", EVENT)]


@pytest.mark.slow
def test_stop_asks_first(page, watch, browser):
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#stop", "Stop inspection")
        browser.click("#stop")
        browser.click("#confirm button[value=no]")
        browser.wait("!document.querySelector('#confirm').open")
        assert watch.commands == []
        browser.click("#stop")
        browser.click("#confirm button[value=stop]")
        browser.wait_text("#alarm", "NOT INSPECTING")
        browser.wait_text("#verdict", "parts pass unchecked")
        assert browser.text("#stale") == "", "the picture goes on"
        browser.click("#start")
        browser.wait_text("#alarm", "No alarm")
        assert watch.commands == [("stop", None), ("start", None)]


@pytest.mark.slow
def test_an_old_picture_is_never_shown_as_live(page, watch, browser):
    with moving(watch) as end:
        browser.open(page.address)
        browser.wait_text("#verdict", "ACCEPT")
        assert browser.text("#stale") == ""
        end()
        watch.facts["capture"].update(state="reconnecting", last_error="refused")
        browser.wait_text("#stale", "camera not reachable")
        assert "NO DECISION" in browser.text("#verdict")
        assert "NOT INSPECTING" in browser.text("#alarm")
    with moving(watch):
        watch.facts["capture"].update(state="running", last_error=None)
        browser.wait_text("#verdict", "ACCEPT")
        assert browser.text("#stale") == ""
    page.stop()
    browser.wait_text("#stale", "Connection lost since")
    assert "NO DECISION" in browser.text("#verdict")
    assert "Not current: as of" in browser.text("#as-of")
    assert "frames/s" not in browser.text("#facts dd")


@pytest.mark.slow
def test_an_old_picture_is_old_for_a_browser_that_comes_late(page, watch, browser):
    watch.facts["frame_age_s"] = 60.0
    browser.open(page.address)
    browser.wait_text("#stale", "(1 min)")
    clock = r"No picture since \d\d:\d\d:\d\d"
    assert re.search(clock, browser.text("#stale")) or "/" in browser.text("#stale")
    assert "NO DECISION" in browser.text("#verdict")
    assert "frames/s" not in browser.text("#facts dd"), "a rate of before"


@pytest.mark.slow
@pytest.mark.parametrize("camera", ["reconnecting", "refused"])
def test_without_a_verdict_nothing_looks_accepted(page, watch, browser, camera):
    watch.facts["verdict"] = None
    watch.facts["capture"].update(state=camera, last_error="1920 x 1080")
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#alarm", "NOT INSPECTING")
        assert "NO DECISION" in browser.text("#verdict")
        assert "1920 x 1080" in browser.text("main")


@pytest.mark.slow
def test_no_verdict_outlives_its_picture(page, watch, browser):
    """The state still has a verdict; the picture that is shown was not judged."""
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#verdict", "ACCEPT")
        watch.judges_pictures = False
        browser.wait_text("#verdict", "NO DECISION")
        assert "NOT INSPECTING" in browser.text("#alarm")
        watch.judges_pictures = True
        browser.wait_text("#verdict", "ACCEPT")


@pytest.mark.slow
def test_a_lost_log_is_loud_and_a_lost_clip_is_not(page, watch, browser):
    watch.facts["verdict"].update(predicted="no_lid", reason="high score")
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#verdict", "no_lid · high score")
        watch.facts["log"]["warning"] = "There is no clip a.mp4: no space"
        browser.wait_text("#troubles .warning", "There is no clip a.mp4")
        assert browser.text("#troubles .loud") == ""
        assert "4 lines" in browser.text("#facts")
        watch.facts["log"]["problem"] = "no space"
        browser.wait_text("#troubles .loud", "EVENTS ARE NOT BEING RECORDED: no space")
        assert "not written" in browser.text("#facts")


@pytest.mark.slow
def test_texts_are_shown_as_they_are(page, watch, browser):
    watch.facts["bundle"] = watch.facts["source"] = EVIL
    watch.facts["verdict"].update(reason=EVIL, predicted=EVIL)
    watch.facts["capture"]["last_error"] = EVIL
    watch.facts["log"]["problem"] = EVIL
    output = {"name": EVIL, "state": "retrying", "last_error": EVIL, "num_waiting": 2}
    output |= {"num_sent": 0, "num_failed": 1, "num_dropped": 0, "stops_line": True}
    watch.facts["outputs"] = [output]
    watch.event_list = [event(predicted=EVIL)]
    with moving(watch):
        browser.open(page.address)
        for selector in (
            "#verdict",
            "#troubles .loud",
            "#troubles .warning",
            "#events",
        ):
            browser.wait_text(selector, EVIL)
        assert "THE LINE WAS NOT STOPPED" in browser.text("#troubles .warning")
        browser.wait("document.querySelector('#events img').complete")
        assert not browser.value("document.querySelector('img[onerror]') !== null")
        assert browser.value("document.title") != "owned"


@pytest.mark.slow
def test_an_event_opens(page, watch, browser):
    watch.event_list = [event()]
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#events", "no_lid")
        browser.click("#events button")
        browser.wait("document.querySelector('#still').naturalWidth > 0")
        watch.event_list = [event(clip=f"clips/{EVENT}.mp4")]
        browser.wait(f"document.querySelector('#clip').src.endsWith('{EVENT}.mp4')")
        browser.click("#event form button:last-child")
        browser.wait("!document.querySelector('#event').open")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_is_wider_than_the_screen(page, watch, browser, width):
    watch.event_list = [event(predicted="a_very_long_class_name_" * 4)]
    watch.facts["alarm"].update(state="alarm", since="2026-11-21T12:34:56+00:00")
    watch.facts["log"]["problem"] = "No space left on device: " + "/very/long" * 20
    with moving(watch):
        browser.open(page.address, width=width, height=844)
        browser.wait_text("#verdict", "ACCEPT")
        if width < 640:
            browser.click("#more")
        browser.wait_text("#events", "a_very_long")
        browser.wait_text("#verdict", "ACCEPT")
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert (
            browser.value(
                "document.querySelector('#acknowledge').getBoundingClientRect().right"
            )
            <= width
        )


def alarmed(watch, **changed):
    """Makes the newest event an alarm that waits for an acknowledgement."""
    since = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    watch.event_list = [event(began=since, ended=None)]
    about = {"state": "alarm", "since": since, "event": EVENT, "waiting": [EVENT]}
    watch.facts["alarm"].update({**about, "num_alarms": 1, **changed})


@pytest.mark.slow
def test_under_an_alarm_another_verdict_is_the_last_parts(page, watch, browser):
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#verdict", "ACCEPT")
        assert browser.text("#verdict-of") == ""
        alarmed(watch)
        browser.wait_text("#verdict-of", "last part")
        watch.facts["verdict"].update(decision="reject", predicted="no_lid")
        browser.wait_text("#verdict", "REJECT")
        browser.wait("document.querySelector('#verdict-of').textContent === ''")
        watch.facts["alarm"].update(ended=True)
        browser.wait_text("#verdict-of", "last part")
        watch.facts["alarm"].update(state="clear", waiting=[])
        browser.wait("document.querySelector('#verdict-of').textContent === ''")


@pytest.mark.slow
def test_the_wall_view_has_the_state_in_very_large_letters_and_no_more(
    page, watch, browser
):
    with moving(watch):
        browser.open(page.address + "/?wall", width=1920, height=1080)
        browser.wait_text("#alarm", "No alarm")
        alarmed(watch)
        browser.wait_text("#alarm-word", "ALARM")
        assert browser.text("#alarm-text").startswith("since ")
        size = "parseFloat(getComputedStyle(document.querySelector('#alarm-word'))"
        assert browser.value(f"{size}.fontSize)") > 150
        for selector in "#verdict #status #log #facts #timeline #acknowledge".split():
            assert browser.text(selector) == "", selector
        box = "document.querySelector('#camera').getBoundingClientRect()"
        assert browser.value(f"{box}.height") > 500
        assert browser.value(f"{box}.bottom") <= 1081
    browser.wait_text("#stale", "No picture since")


@pytest.mark.slow
def test_a_phone_shows_state_picture_and_button_first(page, watch, browser):
    alarmed(watch)
    with moving(watch):
        browser.open(page.address, width=390, height=844)
        browser.wait_text("#alarm", "ALARM")
        browser.wait_text("#verdict", "ACCEPT")
        tops = [
            browser.value(f"document.querySelector('{x}').getBoundingClientRect().top")
            for x in ("#alarm", "#camera", "#acknowledge")
        ]
        assert tops == sorted(tops) and tops[-1] < 844
        for selector in "#status #log #facts".split():
            assert browser.text(selector) == "", selector
        assert browser.value("document.documentElement.scrollHeight") <= 844
        browser.click("#more")
        browser.wait_text("#facts", "frames/s")
        assert "Stop inspection" in browser.text("#status")
        browser.click("#acknowledge")
        browser.wait_text("#alarm", "No alarm")
        assert watch.commands == [("acknowledge", EVENT)]


@pytest.mark.slow
@pytest.mark.parametrize("highest", [0.9, 12.3456, 98765.4, 1.5e9])
def test_labels_of_the_timeline_are_whole(page, watch, browser, highest):
    watch.facts["scores"] = [[2.0, 0.5, "accept"], [0.1, highest, "reject"]]
    watch.facts["lines"] = {"accept_below": None, "reject_from": 0.6 * highest}
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#verdict", "ACCEPT")
        browser.value("""(() => {
            window.drawn = [];
            const pen = CanvasRenderingContext2D.prototype, draw = pen.fillText;
            pen.fillText = function (text, x, y) {
                const width = this.measureText(text).width;
                const left = { left: x, right: x - width, center: x - width / 2 };
                drawn.push([text, left[this.textAlign], left[this.textAlign] + width]);
                draw.call(this, text, x, y);
            };
        })()""")
        browser.wait("drawn.length > 10")
        drawn = browser.value("drawn")
        width = browser.value("document.querySelector('#timeline').clientWidth")
    top = {0.9: "1", 12.3456: "12.3", 98765.4: "98765", 1.5e9: "1.50e+9"}[highest]
    assert top in [text for text, _, _ in drawn]
    assert all(left >= 0 and right <= width for _, left, right in drawn), drawn


@pytest.mark.slow
def test_a_storm_shows_its_count(page, watch, browser):
    alarmed(watch, num_alarms=37)
    watch.event_list[0]["num_alarms"] = 37
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#alarm", "storm of 37 alarms")
        browser.wait_text("#events", "storm of 37 alarms")


@pytest.mark.slow
def test_an_older_event_is_acknowledged_or_it_is_said_why_not(page, watch, browser):
    older = EVENT.replace("0001", "0000")
    alarmed(watch, waiting=[older, EVENT])
    watch.event_list.append(event(id=older))
    dialog = "#events li:last-child button"
    with moving(watch):
        browser.open(page.address)
        browser.wait_text("#alarm", "2 not acknowledged")
        browser.wait_text("#events li:last-child", "not acknowledged")
        browser.click(dialog)
        browser.wait_text("#acknowledge-one", "Acknowledge this and all before it")
        browser.click("#acknowledge-one")
        browser.wait_text("#alarm", "No alarm")
        assert watch.commands == [("acknowledge", older)]
        alarmed(watch, waiting=[older, EVENT])
        watch.event_list.append(event(id=older))
        watch.closed = [older]
        browser.wait_text("#events li:last-child", "not acknowledged")
        browser.click(dialog)
        browser.wait_text("#acknowledge-one", "Acknowledge this and all before it")
        browser.click("#acknowledge-one")
        said = f"Event {older} is already acknowledged."
        browser.wait_text("#troubles .warning", said)
        assert len(watch.commands) == 1


@pytest.mark.slow
def test_dark_surroundings_get_a_dark_page(page, watch, browser):
    with moving(watch):
        browser.open(page.address)
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        browser.send("Emulation.setEmulatedMedia", features=dark)
        browser.wait_text("#verdict", "ACCEPT")
        colours = browser.value("""[...document.querySelectorAll('body, #log, #alarm')]
            .map((x) => getComputedStyle(x).backgroundColor)""")
        assert all(int(n) < 50 for x in colours for n in re.findall(r"\d+", x)[:3])
