"""A receiver that answers byte by byte holds the sender no longer than the limit."""

import time

import pytest
from dripping import Dripping

from live.delivery import outbox as outputs
from live.delivery import targets
from live.delivery.outbox import Outbox
from live.delivery.targets import parse_output

PATIENCE = 60  # seconds in which anything here happens, however busy the machine


def until(condition):
    ends = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def sender(monkeypatch):
    """Makes outboxes for addresses, with short times, and stops them."""
    monkeypatch.setattr(targets, "TIMEOUT_S", 1)
    monkeypatch.setattr(outputs, "FIRST_PAUSE_S", 0.02)
    made = []

    def make(address):
        made.append(Outbox(parse_output(address)._replace(longest_pause_s=0.05)))
        return made[-1]

    yield make
    for box in made:
        box.stop(0)


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\nX: "])
def test_answer_without_a_status_is_tried_again(sender, begin):
    with Dripping(begin, b"2") as receiver:
        box = sender(f"http://127.0.0.1:{receiver.port}/hook")
        box.send({"id": "event-0"})
        until(lambda: box.status()["last_error"] == "no answer within 1 s")
        until(lambda: receiver.num_ended > 1)  # tried again, and nothing is kept open
        assert box.status()["num_waiting"] == 1


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_status_counts_although_its_headers_never_end(sender, end):
    with Dripping(b"HTTP/1.1 200 OK\r\nX: " + end, b"x") as receiver:
        box = sender(f"http://127.0.0.1:{receiver.port}/hook")
        for number in range(2):
            box.send({"id": f"event-{number}"})
        until(lambda: box.status()["num_sent"] == 2)
        until(lambda: receiver.num_ended == 2)


def test_refusal_counts_although_its_headers_never_end(sender):
    with Dripping(b"HTTP/1.1 404 Not Found\r\nX: ", b"x") as receiver:
        box = sender(f"http://127.0.0.1:{receiver.port}/hook")
        box.send({"id": "event-0"})
        until(lambda: box.status()["num_failed"] == 1)


def test_broker_that_drips(sender):
    pytest.importorskip("paho.mqtt.client")
    with Dripping(b"\x20\x02\x00\x00\x30\xff\xff\xff\x7f", b"x") as broker:
        box = sender(f"mqtt://127.0.0.1:{broker.port}/plant")
        box.send({"id": "event-0"})
        until(lambda: "no acknowledgement" in str(box.status()["last_error"]))
        until(lambda: broker.num_ended > 1)
