"""Events over TLS: to whom they go is certain, or they do not go."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest
from dripping import Dripping

from live.delivery import targets
from live.delivery.outbox import Outbox
from live.delivery.targets import parse_authority, parse_output

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="needs openssl to make a certificate"
)
PATIENCE = 60
CONNECT, PUBLISH = 1, 3  # kinds of MQTT packets
ACCEPTED = b"\x20\x02\x00\x00"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate of 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=broker"
    command += " -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*command.split(), "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    return files


class Broker:
    """Speaks as much MQTT 3.1.1 over TLS as a publisher with QoS 1 needs.

    Attributes:
        logins, events: What publishers said of themselves, and sent.
    """

    def __init__(self, certificate):
        self.logins, self.events = [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                plain = self.socket.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError, ssl.SSLError), plain:
                plain.settimeout(PATIENCE)
                with self.context.wrap_socket(plain, server_side=True) as client:
                    self.talk(client.makefile("rb"), client)

    def talk(self, received, client):
        while head := received.read(1):
            length = shift = 0
            while True:  # seven bits a byte
                byte = received.read(1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = received.read(length)
            if head[0] >> 4 == CONNECT:
                self.logins.append(body)
                client.sendall(ACCEPTED)
            elif head[0] >> 4 == PUBLISH:
                end = 2 + int.from_bytes(body[:2], "big")
                self.events.append((body[2:end].decode(), json.loads(body[end + 2 :])))
                client.sendall(b"\x40\x02" + body[end : end + 2])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()


def until(condition):
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_private_authority_is_trusted_for_mqtts(certificate):
    pytest.importorskip("paho.mqtt.client")
    authority = parse_authority(certificate[0])
    with Broker(certificate) as broker:
        target = parse_output(
            f"mqtts://line:s3cret@127.0.0.1:{broker.port}/plant", authority=authority
        )
        assert target.name == f"mqtts://127.0.0.1:{broker.port}/plant"
        box = Outbox(target)
        box.send({"id": "event-0"})
        until(lambda: box.status()["num_sent"])
        box.stop(0)
        assert broker.events == [("plant", {"id": "event-0"})]
        assert b"s3cret" in broker.logins[0]


@pytest.mark.parametrize("scheme", ["mqtts", "https"])
def test_unknown_certificate_gets_nothing(certificate, scheme):
    pytest.importorskip("paho.mqtt.client")
    with Broker(certificate) as broker:
        box = Outbox(
            parse_output(f"{scheme}://line:s3cret@127.0.0.1:{broker.port}/plant")
        )
        box.send({"id": "event-0"})
        until(lambda: box.status()["last_error"])
        error = box.status()["last_error"]
        box.stop(0)
    assert "certificate is not trusted (self-signed" in error
    assert "--send-ca" in error and "s3cret" not in error and "_ssl" not in error
    assert broker.events == broker.logins == []


def test_answer_that_drips_over_tls_ends_in_time(certificate, monkeypatch):
    monkeypatch.setattr(targets, "TIMEOUT_S", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Dripping(b"HTTP/1.1 ", b"2", context) as receiver:
        address = f"https://127.0.0.1:{receiver.port}/hook"
        box = Outbox(parse_output(address, authority=parse_authority(certificate[0])))
        box.send({"id": "event-0"})
        until(lambda: box.status()["last_error"] == "no answer within 1 s")
        until(lambda: receiver.num_ended)
        box.stop(0)


def test_handshake_that_drips_ends_in_time(certificate, monkeypatch):
    monkeypatch.setattr(targets, "TIMEOUT_S", 1)
    with Dripping(b"\x16\x03\x03\x40\x00\x02", b"x") as receiver:
        address = f"https://127.0.0.1:{receiver.port}/hook"
        box = Outbox(parse_output(address, authority=parse_authority(certificate[0])))
        box.send({"id": "event-0"})
        until(lambda: box.status()["last_error"])
        until(lambda: receiver.num_ended)
        box.stop(0)


def test_certificate_of_another_host_gets_nothing(certificate):
    pytest.importorskip("paho.mqtt.client")
    authority = parse_authority(certificate[0])
    with Broker(certificate) as broker:
        address = f"mqtts://localhost:{broker.port}/plant"
        box = Outbox(parse_output(address, authority=authority))
        box.send({"id": "event-0"})
        until(lambda: box.status()["last_error"])
        assert "not valid for 'localhost'" in box.status()["last_error"]
        box.stop(0)
    assert broker.events == broker.logins == []
