"""What `--send` and `--stop-command` take, and that no password is shown."""

import argparse
import subprocess
import sys

import pytest

from live.camera.sources import parse_source
from live.delivery.targets import parse_authority, parse_output, parse_stop_command


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://me:secret@host/x",
        "http://",
        "http://me:secret@host:port/",
        "http://ho st/",
        "mqtt://me:secret@broker",
        "mqtt://me:sec/ret@broker/",
        "mqtt://broker/line/#",
        "mqtt://broker/line%00",
        "mqtt://me:12/sec@broker/topic",
        "mqtt://me:12/sec?@broker/topic",
        "https://me:12/sec@host/hook",
        "https://me:12?sec@host/hook",
        "https://me:12#sec@host/hook",
        "https://me:pa?sec@host/hook",
        "https://host:port/hook?token=sec@sec",
        "me:sec@broker/topic",
        "broker/topic",
        "",
    ],
)
def test_other_outputs_are_refused_without_telling_secrets(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be http") as error:
        parse_output(text)
    assert "sec" not in str(error.value) and "12" not in str(error.value)


@pytest.mark.parametrize("text", ["", "no-such-program-at-all now", "sh -c 'open"])
def test_stop_command_that_cannot_run_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="Received"):
        parse_stop_command(text)


@pytest.mark.parametrize(
    "text, name",
    [
        ("https://host/hook?token=secret", "https://host/hook?..."),
        ("https://me:sec@ret:4@host:8443/hook", "https://host:8443/hook"),
        ("https://secret@host/hook#secret", "https://host/hook"),
        ("mqtt://me:pa%2Fss%40secret@host/topic", "mqtt://host:1883/topic"),
    ],
)
def test_names_hold_no_secrets(text, name):
    assert parse_output(text).name == name


def test_tokens_in_paths_are_not_shown():
    target = parse_output("https://hooks.example.com/services/T0/abcdefghij0123456789")
    assert target.name == "https://hooks.example.com/services/T0/..."
    assert parse_output("mqtt://me:pw@broker/a/b").name == "mqtt://broker:1883/a/b"


def test_paho_is_imported_for_mqtt_only():
    code = (
        "import sys, live.delivery.targets as o; o.parse_output('http://localhost/');"
        "o.parse_output('mqtt://localhost/topic'); sys.exit('paho' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_address_may_be_kept_off_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("BROKER", "mqtts://me:s3cret@broker/line")
    assert parse_output("env:BROKER").name == "mqtts://broker:8883/line"
    monkeypatch.setenv("BROKER", "mqtts:me:s3cret/line")
    with pytest.raises(argparse.ArgumentTypeError, match="'env:BROKER'") as error:
        parse_output("env:BROKER")
    assert "s3cret" not in str(error.value)


def test_source_may_be_kept_off_the_command_line(monkeypatch):
    monkeypatch.setenv("CAMERA", "rtsp://me:s3cret@camera/line")
    assert parse_source("env:CAMERA") == "rtsp://me:s3cret@camera/line"
    for value in ("s3cret", "rtsp://s3cret:x/", "ftp://s3cret/line"):
        monkeypatch.setenv("CAMERA", value)
        with pytest.raises(argparse.ArgumentTypeError, match="env:CAMERA") as error:
            parse_source("env:CAMERA")
        assert "s3cret" not in str(error.value)


def test_authority_that_is_none_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(argparse.ArgumentTypeError, match="not a certificate in PEM"):
        parse_authority(tmp_path / "ca.pem")
    with pytest.raises(argparse.ArgumentTypeError, match="No such file"):
        parse_authority(tmp_path / "none.pem")
