"""Events arrive, in order, and a receiver's faults never reach inspection."""

import json
import logging
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
from stream_server import free_port

from live.delivery import outbox as outputs
from live.delivery import targets
from live.delivery.outbox import Outbox, stop_all
from live.delivery.targets import Target, parse_output, parse_stop_command

PATIENCE = 60  # seconds in which anything here happens, however busy the machine


def until(condition):
    ends = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    assert condition()


def events(number):
    return [{"id": f"event-{index}", "kind": "alarm"} for index in range(number)]


def ids(received):
    return [event["id"] for event in received]


@pytest.fixture
def outbox():
    """Makes outboxes and stops them; their pauses are short."""
    made = []

    def make(target):
        made.append(Outbox(target._replace(longest_pause_s=0.05)))
        return made[-1]

    yield make
    for box in made:
        box.stop(0)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(outputs, "FIRST_PAUSE_S", 0.02)


class Receiver:
    """A webhook server: answers with `statuses` one by one, then with 200."""

    def __init__(self, port=0, statuses=(), slow=None):
        self.received, self.tried, self.headers = [], [], None
        statuses = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if slow:
                    slow.wait(PATIENCE)
                status = statuses.pop(0) if statuses else 200
                receiver.headers = self.headers
                receiver.tried.append(json.loads(content))
                if status == 200:
                    receiver.received.append(json.loads(content))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "file:///etc/passwd")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,)).start()

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = []

    def make(*arguments, **options):
        made.append(Receiver(*arguments, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_webhook_down_then_up_loses_nothing_and_keeps_order(outbox, receiver):
    port = free_port()
    box = outbox(parse_output(f"http://127.0.0.1:{port}/hook"))
    for event in events(20):
        box.send(event)
    until(lambda: box.status()["state"] == "retrying")
    assert "refused" in box.status()["last_error"]
    server = receiver(port)
    until(lambda: box.status()["num_sent"] == 20)
    assert server.received == events(20)
    assert box.status() == {
        "name": f"http://127.0.0.1:{port}/hook",
        "state": "idle",
        "num_waiting": 0,
        "num_sent": 20,
        "num_failed": 0,
        "num_dropped": 0,
        "last_error": None,
    }


def test_any_name_of_a_source_is_sent(outbox, receiver):
    server = receiver()
    box = outbox(parse_output(server.url()))
    box.send({"id": "1", "source": "größe\udcff"})
    until(lambda: server.received)
    assert server.received == [{"id": "1", "source": "größe\udcff"}]


def test_slow_server_does_not_block_send(outbox, receiver):
    answer = threading.Event()
    server = receiver(slow=answer)
    box = outbox(parse_output(server.url()))
    for event in events(50):
        box.send(event)  # would wait for ever: nothing is answered yet
    assert server.received == [] and box.status()["num_waiting"] == 50
    answer.set()
    until(lambda: box.status()["num_sent"] == 50)
    assert ids(server.received) == ids(events(50))


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_faults_are_tried_again(outbox, receiver, status):
    server = receiver(statuses=[status])
    box = outbox(parse_output(server.url()))
    for event in events(2):
        box.send(event)
    until(lambda: box.status()["num_sent"] == 2)
    assert ids(server.tried) == ["event-0", "event-0", "event-1"]


@pytest.mark.parametrize("status", [302, 400, 404])
def test_refused_event_is_counted_logged_and_not_repeated(
    outbox, receiver, caplog, status
):
    server = receiver(statuses=[status])
    box = outbox(parse_output(server.url()))
    box.send(events(1)[0])
    until(lambda: box.status()["num_failed"] == 1)
    assert box.status()["state"] == "failed"
    assert str(status) in box.status()["last_error"]
    assert "event-0 is lost" in caplog.text
    box.send(events(2)[1])
    until(lambda: box.status()["num_sent"] == 1)
    assert ids(server.tried) == ["event-0", "event-1"]
    assert box.status()["last_error"] is None


def test_answer_that_is_not_http_is_tried_again(outbox):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk_garbage():
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(100_000)
                    connection.sendall(b"\x00garbage\r\n\r\n")

        thread = threading.Thread(target=talk_garbage)
        thread.start()
        port = listener.getsockname()[1]
        box = outbox(parse_output(f"http://127.0.0.1:{port}/"))
        box.send(events(1)[0])
        thread.join(PATIENCE)
        until(lambda: box.status()["state"] == "retrying")


def test_login_of_a_webhook_is_sent_and_not_shown(outbox, receiver):
    server = receiver()
    url = server.url("/hook?token=secret").replace("//", "//me:pass%40word@")
    target = parse_output(url)
    assert target.name == server.url("/hook?...")
    box = outbox(target)
    box.send(events(1)[0])
    until(lambda: server.received)
    assert server.headers["Authorization"] == "Basic bWU6cGFzc0B3b3Jk"
    assert server.headers["Content-Type"] == "application/json"


def test_full_queue_drops_the_oldest_that_wait(outbox, monkeypatch):
    monkeypatch.setattr(outputs, "MAX_WAITING", 3)
    delivered, started, go_on = [], threading.Event(), threading.Event()

    def deliver(content):
        started.set()
        go_on.wait(PATIENCE)
        delivered.append(json.loads(content))

    box = outbox(Target("slow", deliver))
    sent = events(6)
    box.send(sent[0])
    started.wait(PATIENCE)
    for event in sent[1:]:
        box.send(event)
    assert box.status()["num_waiting"] == 3
    assert box.status()["num_dropped"] == 3
    assert "dropped" in box.status()["last_error"]
    go_on.set()
    until(lambda: box.status()["num_sent"] == 3)
    assert ids(delivered) == ["event-0", "event-4", "event-5"]


def test_stop_tries_what_waits_once_more_and_gives_up_in_time(monkeypatch, caplog):
    monkeypatch.setattr(outputs, "FIRST_PAUSE_S", 1000)
    attempts = []

    def deliver(content):
        attempts.append(content)
        raise OSError("no route")

    box = Outbox(Target("far", deliver, longest_pause_s=1000))
    box.send(events(1)[0])
    until(lambda: attempts and box._changed._waiters)  # until it rests
    assert box.stop(2) == 1
    assert len(attempts) == 2
    assert box.status()["state"] == "stopped"
    assert "1 events were not sent" in caplog.text


def test_stop_empties_the_queue(outbox, receiver):
    server = receiver()
    box = outbox(parse_output(server.url()))
    for event in events(30):
        box.send(event)
    assert box.stop(PATIENCE) == 0
    assert ids(server.received) == ids(events(30))


def test_several_stop_side_by_side():
    """The first is done when the second has stopped; a queue that hangs is counted."""
    go_on = threading.Event()

    def outlast(content):
        until(lambda: boxes[1].status()["state"] == "stopped")

    boxes = [Outbox(Target("first", outlast)), Outbox(Target("second", id))]
    boxes += [
        Outbox(Target("far", lambda content: go_on.wait(PATIENCE))) for _ in range(2)
    ]
    for box in (boxes[0], *boxes[2:]):
        box.send(events(1)[0])
    assert stop_all(boxes, 2) == {"first": 0, "second": 0, "far": 2}
    assert {box.status()["state"] for box in boxes} == {"stopped"}
    go_on.set()


def test_a_fault_of_a_delivery_costs_one_event_and_not_the_thread(outbox, caplog):
    delivered = []

    def deliver(content):
        if not delivered:
            delivered.append(None)
            raise ValueError("Invalid topic.")
        delivered.append(json.loads(content)["id"])

    box = outbox(Target("broker", deliver))
    box.send(events(1)[0])
    until(lambda: box.status()["num_failed"] == 1)
    assert box.status()["state"] == "failed"
    assert box.status()["last_error"] == "ValueError: Invalid topic."
    assert "event-0 is lost" in caplog.text
    box.send(events(2)[1])
    until(lambda: box.status()["num_sent"] == 1)
    assert delivered == [None, "event-1"]


@pytest.fixture
def clock(monkeypatch):
    """The clock of the outboxes, that goes on when a test says so."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(outputs, "monotonic", lambda: clock.now)
    return clock


def script(tmp_path, text):
    path = tmp_path / "stop line.py"
    path.write_text(text)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


def test_stop_command_gets_the_event(outbox, tmp_path):
    told = tmp_path / "told.json"
    command = script(
        tmp_path,
        "import sys, pathlib\n"
        "pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())\n",
    )
    box = outbox(parse_stop_command(f"{command} {shlex.quote(str(told))}"))
    box.send({"id": "1", "predicted": "größer; rm -rf $HOME"})
    until(lambda: box.status()["num_sent"] == 1)
    assert json.loads(told.read_text())["predicted"] == "größer; rm -rf $HOME"


def test_it_is_told_what_arrived_and_what_did_not():
    told = []

    def deliver(content):
        if b"bad" in content:
            raise targets.Refused("404 Not Found")

    box = Outbox(Target("hook", deliver), lambda *about: told.append(about))
    box.send({"id": "good"})
    box.send({"id": "bad"})
    until(lambda: len(told) == 2)
    assert told == [({"id": "good"}, None), ({"id": "bad"}, "refused: 404 Not Found")]
    assert box.stop() == 0


def test_failing_stop_command_is_tried_again_then_given_up(
    outbox, tmp_path, caplog, clock
):
    tries = tmp_path / "tries"
    command = script(
        tmp_path, f"open({str(tries)!r}, 'a').write('x'); raise SystemExit(3)"
    )
    target = parse_stop_command(command)

    def deliver(content):
        clock.now += 1.5
        target.deliver(content)

    box = outbox(target._replace(deliver=deliver, patience_s=2))
    with caplog.at_level(logging.ERROR):
        box.send(events(1)[0])
        until(lambda: box.status()["num_failed"] == 1)
    assert tries.read_text() == "xx"
    assert box.status()["state"] == "failed"
    assert box.status()["last_error"] == "not delivered within 2 s: exit status 3"
    assert "event-0 is lost" in caplog.text


def test_hanging_stop_command_is_killed_with_its_children(
    outbox, tmp_path, monkeypatch
):
    monkeypatch.setattr(targets, "TIMEOUT_S", 2)
    beat = tmp_path / "beat"
    loop = f"while true; do echo x >> {shlex.quote(str(beat))}; sleep 0.05; done"
    target = parse_stop_command(f"sh -c {shlex.quote(f'({loop}) & wait')}")
    box = outbox(target._replace(patience_s=1))
    box.send(events(1)[0])
    until(lambda: box.status()["num_failed"] == 1)
    assert "not finished within 2 s" in box.status()["last_error"]
    size = beat.stat().st_size
    assert size > 0
    time.sleep(0.3)
    assert beat.stat().st_size == size


def test_old_event_stops_no_line(outbox, clock):
    runs, go_on = [], threading.Event()

    def deliver(content):
        runs.append(json.loads(content)["id"])
        go_on.wait(PATIENCE)

    box = outbox(Target("stop", deliver, patience_s=2))
    for event in events(2):
        box.send(event)
    until(lambda: runs)
    clock.now = 2.1
    go_on.set()
    until(lambda: box.status()["num_failed"] == 1)
    assert runs == ["event-0"]


@pytest.fixture
def broker(tmp_path):
    """Starts and stops a real mosquitto that asks for a password."""
    pytest.importorskip("paho.mqtt.client")
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    passwords = shutil.which("mosquitto_passwd")
    if not program or not passwords:
        pytest.skip("needs the broker mosquitto")
    port = free_port()
    secrets = tmp_path / "passwords"
    subprocess.run([passwords, "-c", "-b", secrets, "line", "se@cret"], check=True)
    secrets.chmod(0o644)
    tmp_path.chmod(0o755)
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\n"
        f"password_file {secrets}\nuser root\n"
    )
    running = []

    def start():
        running.append(
            subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL)
        )

    def stop():
        running.pop().kill()

    start.port, start.stop = port, stop
    yield start
    for process in running:
        process.kill()
        process.wait()


def subscribe(port):
    """Ids of the events that arrive at a subscriber."""
    from paho.mqtt import client as mqtt

    received, ready = [], threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set("line", "se@cret")
    client.on_connect = lambda client, *_: client.subscribe("plant/events", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda client, _, message: received.append(
        json.loads(message.payload)["id"]
    )
    client.reconnect_delay_set(1, 1)
    client.connect_async("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(10)
    return client, received


@pytest.mark.slow
def test_broker_down_then_up_loses_nothing_and_keeps_order(broker, outbox):
    box = outbox(
        parse_output(f"mqtt://line:se%40cret@127.0.0.1:{broker.port}/plant/events")
    )
    sent = events(30)
    for event in sent[:10]:
        box.send(event)
    until(lambda: box.status()["state"] == "retrying")
    assert "cret" not in str(box.status())
    broker()
    until(lambda: box.status()["num_sent"] == 10)
    client, received = subscribe(broker.port)
    for event in sent[10:20]:
        box.send(event)
    until(lambda: len(received) == 10)
    broker.stop()
    for event in sent[20:]:
        box.send(event)
    until(lambda: box.status()["state"] == "retrying")
    client.loop_stop()
    broker()
    client, later = subscribe(broker.port)
    until(lambda: box.status()["num_sent"] == 30)
    client.loop_stop()
    assert received == ids(sent[10:20])
    assert later == ids(sent[30 - len(later) :])


def test_wrong_password_is_said(broker, outbox):
    broker()
    box = outbox(parse_output(f"mqtt://line:wrong@127.0.0.1:{broker.port}/plant"))
    box.send(events(1)[0])
    until(lambda: "uthor" in str(box.status()["last_error"]))
    assert box.status()["num_waiting"] == 1


def test_broker_that_does_not_acknowledge_is_tried_again(outbox, monkeypatch):
    pytest.importorskip("paho.mqtt.client")
    monkeypatch.setattr(targets, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        box = outbox(parse_output(f"mqtt://127.0.0.1:{port}/plant"))
        box.send(events(1)[0])
        until(lambda: "no acknowledgement" in str(box.status()["last_error"]))
        assert box.status()["num_waiting"] == 1
