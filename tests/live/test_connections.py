"""Clients that come in crowds, hang or trickle take nothing from the inspection."""

import contextlib
import http.client
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from test_page import EVENT, FakeWatch

from goodparts import bounded_http
from goodparts.machine import raise_handle_limit
from live.page.server import serve

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds in which anything here happens, however busy the machine
NUM_IDLE = 1200
GENEROUS_S = 30.0  # from an alarm to its stop command, on a machine that is busy


@pytest.fixture
def watch(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / f"{EVENT}.mp4").write_bytes(bytes(50_000_000))
    return FakeWatch(tmp_path)


@pytest.fixture
def page(watch):
    page = serve(watch, port=0)
    yield page
    page.stop()


def connect(page):
    port = int(page.address.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def send(page, text):
    connection = connect(page)
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


def ask(address):
    with urllib.request.urlopen(address + "/state", timeout=PATIENCE) as answer:
        return json.load(answer)


def wait_until(true):
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "never true"
        time.sleep(0.05)


def is_closed(connection):
    """Whether the server closes a connection; what it has sent is read before."""
    try:
        while connection.recv(100_000):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_a_request_that_trickles_is_closed(page, monkeypatch):
    monkeypatch.setattr(bounded_http, "REQUEST_S", 0.3)
    with send(page, "GET /state HTTP/1.1\nHost: localhost\n") as slow:
        slow.settimeout(0.02)
        num_sent = 0
        with pytest.raises(ConnectionError):
            while num_sent < PATIENCE / 0.02:
                with contextlib.suppress(TimeoutError):
                    if slow.recv(1) == b"":
                        raise ConnectionResetError
                slow.sendall(b"x")
                num_sent += 1
        assert num_sent > 1


def test_an_idle_connection_is_closed(page, monkeypatch):
    monkeypatch.setattr(bounded_http, "REQUEST_S", 0.3)
    with connect(page) as idle:
        assert is_closed(idle)


@pytest.mark.parametrize("part", ["", '{"do"'])
def test_a_body_that_does_not_come_is_closed(page, watch, monkeypatch, part, caplog):
    monkeypatch.setattr(bounded_http, "BODY_S", 0.3)
    text = "POST /command HTTP/1.1\nHost: localhost\nX-Goodparts: 1\n"
    with send(page, f"{text}Content-Length: 20\n\n{part}") as hanging:
        assert is_closed(hanging)
    assert ask(page.address) == watch.facts and watch.commands == []
    assert caplog.records == []


def test_an_answer_that_nobody_reads_is_given_up(page, monkeypatch):
    monkeypatch.setattr(bounded_http, "READING_S", 0.3)
    request = f"GET /clips/{EVENT}.mp4 HTTP/1.1\nHost: localhost\n\n"
    with send(page, request) as slow:
        assert slow.recv(1000)
        wait_until(lambda: not page.server.server_state.connections)
    with send(page, request) as reader:
        num_read = 0
        while num_read < 50_000_000:
            num_read += len(reader.recv(1_000_000))


def test_a_browser_that_keeps_its_connection_is_answered_again(page):
    host = page.address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    connection.connect()
    connected = connection.sock
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        assert connection.sock is connected
    connection.close()


def test_the_oldest_idle_connection_gives_way(page, monkeypatch):
    monkeypatch.setattr(bounded_http, "MOST_CONNECTIONS", 3)
    idle = []
    for number in range(3):
        idle.append(connect(page))
        wait_until(lambda: len(page.server.server_state.connections) > number)  # noqa: B023
    assert ask(page.address)
    assert is_closed(idle[0])
    idle[1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert idle[1].recv(10_000).startswith(b"HTTP/1.1 200")
    for connection in idle:
        connection.close()


def test_where_none_is_idle_the_new_one_is_refused(page, watch, monkeypatch):
    monkeypatch.setattr(bounded_http, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr("live.page.server.LONGEST_WAIT_S", PATIENCE)
    request = "GET /picture?after=7 HTTP/1.1\nHost: localhost\n\n"
    busy = [send(page, request) for _ in range(2)]

    def all_wait_for_an_answer():
        there = list(page.server.server_state.connections)
        return [connection.waits_for for connection in there] == [None, None]

    wait_until(all_wait_for_an_answer)
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        ask(page.address)
    watch.show_next()
    for connection in busy:
        assert connection.recv(100_000).startswith(b"HTTP/1.1 200")
        connection.close()


def test_faults_are_printed_a_few_times_and_mistakes_of_clients_never(
    page, watch, monkeypatch, caplog
):
    monkeypatch.setattr(bounded_http, "_FEW_ERRORS", bounded_http._FewErrors())
    for name in ("uvicorn.error", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    bounded_http.print_little()
    for _ in range(30):
        with send(page, "no request at all\n\n") as broken:
            assert is_closed(broken)
    assert caplog.records == []

    def fault():
        raise RuntimeError("a fault of the program")

    watch.state = fault
    for _ in range(30):
        with pytest.raises(urllib.error.HTTPError, match="500"):
            ask(page.address)
    assert 1 <= len(caplog.records) <= bounded_http.MOST_PRINTED


def test_the_limit_of_handles_is_raised_and_never_lowered():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
        assert raise_handle_limit() > 200
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == limits[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        raise_handle_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= limits[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def inspection(tmp_path):
    """Process and address of `few_handles.py`."""
    with open(tmp_path / "printed", "wb") as printed:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("few_handles.py"), tmp_path],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=printed,
            text=True,
        )
    yield process, process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.fixture
def many_handles():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < NUM_IDLE + 300:
        pytest.skip(f"this process may not open {NUM_IDLE} sockets")
    resource.setrlimit(resource.RLIMIT_NOFILE, limits[1:] * 2)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_1200_idle_connections_do_not_delay_the_stop_command(
    inspection, many_handles, tmp_path
):
    process, address = inspection
    port = int(address.rpartition(":")[2])
    wait_until(lambda: ask(address)["counts"]["accept"] > 0)
    ended = threading.Event()

    def trickle():
        """Headers, a byte at a time, from connections that are always replaced."""
        while not ended.is_set():
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", port)) as slow:
                    slow.sendall(b"GET /state HTTP/1.1\r\nHost: localhost\r\n")
                    while not ended.wait(0.05):
                        slow.sendall(b"x")

    slow = threading.Thread(target=trickle)
    slow.start()
    with contextlib.ExitStack() as stack:
        stack.callback(slow.join)
        stack.callback(ended.set)
        for _ in range(NUM_IDLE):
            idle = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            stack.enter_context(idle)
        began = time.monotonic()
        (tmp_path / "defect").touch()
        wait_until((tmp_path / "stopped").exists)
        assert time.monotonic() - began < GENEROUS_S
        state = ask(address)
        assert state["alarm"]["state"] == "alarm" and state["log"]["problem"] is None
        assert state["outputs"][0]["num_sent"] == 1
        assert state["outputs"][0]["last_error"] is None
        num_open = len(os.listdir(f"/proc/{process.pid}/fd"))
        assert num_open < bounded_http.MOST_CONNECTIONS + 60
    assert process.poll() is None
    assert (tmp_path / "printed").read_text() == ""
