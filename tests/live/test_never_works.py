"""Cameras that answer and will never give a picture, and such as only seem so."""

import contextlib
import socket
import threading
import time

import pytest
import stream_server as server

from goodparts.command import InputError
from live.camera.addresses import camera_url
from live.camera.capture import Capture
from live.camera.sources import open_source

PATIENCE = 60
HTML = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 27\r\n\r\n"
    b"<html>Log in, please</html>"
)


class Answers:
    """A server on loopback that gives one answer to every request.

    Attributes:
        requests: What was asked, in bytes.
    """

    def __init__(self, answer):
        self.answer, self.requests = answer, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                with self.socket.accept()[0] as client, contextlib.suppress(OSError):
                    self.talk(client)

    def talk(self, client):
        while request := client.recv(4096):
            self.requests.append(request)
            lines = request.split(b"\r\n")
            number = [line for line in lines if line.lower().startswith(b"cseq")]
            client.sendall(self.answer.replace(b"CSEQ", b"".join(number)))
            if not self.answer.startswith(b"RTSP"):
                return

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()


def refusal(status):
    head = f"RTSP/1.0 {status} No\r\nCSEQ\r\n"
    return head.encode() + b'WWW-Authenticate: Basic realm="camera"\r\n\r\n'


def end_of(url):
    """The text with which a capture ends."""
    with Capture(url) as capture, pytest.raises(InputError) as error:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            capture.next(0.1)
    return str(error.value)


@pytest.mark.parametrize(
    ("answer", "scheme", "words", "tries"),
    [
        (refusal(401), "rtsp", "the user name or the password is wrong (401", 1),
        (refusal(403), "rtsp", "has no access (403", 1),
        (refusal(404), "rtsp", "no such path on the camera (404", 3),
        (HTML, "http", "the response is not a video", 3),
    ],
)
def test_camera_that_refuses_ends_with_one_line(answer, scheme, words, tries):
    with Answers(answer) as camera:
        place = f"127.0.0.1:{camera.port}/line"
        text = end_of(f"{scheme}://admin:s3cret@{place}")
    assert text.startswith(f"--source {scheme}://{place}: ") and words in text
    assert "s3cret" not in text and "admin" not in text and "\n" not in text
    asked = [line for line in camera.requests if line[:7] in (b"OPTIONS", b"GET /li")]
    assert len(asked) >= tries
    if tries == 1:
        assert len(asked) <= 2  # without and with the password


def test_unknown_host_ends_after_some_tries():
    text = end_of("rtsp://admin:s3cret@no-such-camera.invalid/line")
    assert text.startswith("--source rtsp://no-such-camera.invalid/line: the host name")
    assert "s3cret" not in text


def test_camera_that_once_worked_is_waited_for(monkeypatch):
    monkeypatch.setattr("live.camera.capture.LONGEST_PAUSE", 0.1)
    with server.MjpegServer(size=(96, 288)) as camera, Capture(camera.url) as capture:
        assert capture.next(PATIENCE)
        camera.refuses = True
        until = time.monotonic() + PATIENCE
        while capture.status()["num_reconnects"] < 6:
            capture.next(0.1)
            assert time.monotonic() < until
        assert "404" in capture.status()["last_error"]
        camera.refuses = False
        while capture.next(0.1) is None:
            assert time.monotonic() < until


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("rtsp://admin:pa#ss@cam:554/a", "rtsp://admin:pa%23ss@cam:554/a"),
        ("rtsp://admin:p@#/?s@cam/a", "rtsp://admin:p@%23%2F%3Fs@cam/a"),
        ("rtsp://admin:pa/s?s@cam/a", "rtsp://admin:pa%2Fs%3Fs@cam/a"),
        ("rtsp://admin:p@s:s%@cam/a", "rtsp://admin:p@s:s%@cam/a"),
        ("rtsp://cam:554/a@2?b=c", "rtsp://cam:554/a@2?b=c"),
        ("rtsp://me:pw@cam/a@2", "rtsp://me:pw@cam/a@2"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
    ],
)
def test_password_with_signs_of_urls(text, url):
    assert camera_url(text, "") == url


def test_port_that_is_none_may_be_a_password():
    with pytest.raises(InputError, match="# must be written as %23, / as %2F") as error:
        open_source("rtsp://me:12345678/sec@cam:x/line")
    assert "sec" not in str(error.value) and "1234" not in str(error.value)


class NoFirstBoundary(server.MjpegServer):
    """Sends the boundary after each picture and none before the first one."""

    def stream(self, handler):
        handler.send_response(200)
        kind = "multipart/x-mixed-replace; boundary=frame"
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        while self.running:
            time.sleep(1 / self.rate)
            self.number = server.now_number()
            part = self.part(self.number)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n"
            handler.wfile.write(head.encode() + part + b"\r\n--frame\r\n")


def test_mjpeg_without_a_first_boundary_is_read_and_new():
    with (
        NoFirstBoundary(size=(96, 288), rate=20) as camera,
        Capture(camera.url) as capture,
    ):
        for _ in range(20):
            frame = capture.next(PATIENCE)
            number = server.read_code(frame.image)
            assert number is not None and frame.media_time is None
        assert server.age_of(number, time.monotonic()) < 2
        assert capture.status()["num_bad"] == 0
