"""A local web server: which requests it answers, and its security headers."""

import ipaddress
import re
import socket
import threading
from typing import NamedTuple

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from goodparts.command import InputError

HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/@]+))(?::[0-9]+)?", re.IGNORECASE)


NO_STORE = {"Cache-Control": "no-store"}


POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


SECURITY_HEADERS = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]


class Page(NamedTuple):
    """A running page: `address` is its URL; `stop()` ends it within two seconds."""

    address: str
    server: uvicorn.Server
    thread: threading.Thread
    stopping: threading.Event

    def stop(self) -> None:
        self.stopping.set()
        self.server.should_exit = True
        self.thread.join(timeout=2)


def is_loopback(host: str) -> bool:
    """Whether `host` can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_own_name(name: str, *, host: str) -> bool:
    """Whether requests for `name` may be answered by a page that listens at `host`.

    A site can make its own name resolve to this machine (DNS rebinding); a browser then
    treats this server as part of that site. This is not possible with an IP address or
    with names that only this machine has, so only these are answered.
    """
    name, own = name.lower(), socket.gethostname().lower()
    if is_loopback(name) or is_loopback(host):
        return is_loopback(name)
    if name in (own, f"{own}.local", host.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def only_own_names(app: ASGIApp, host: str) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        asked = HOST.fullmatch(Request(scope).headers.get("host", ""))
        if asked and is_own_name(asked[1] or asked[2], host=host):
            await app(scope, receive, send)
            return
        answer = PlainTextResponse(
            "This host name is not accepted. Open the page by the IP address of the "
            "machine, or start it with this name as --host.",
            400,
        )
        await answer(scope, receive, send)

    return guarded


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"The page cannot be served at {host} port {port} ({reason}). If the port "
            "is in use, give another with --port or stop the program that uses it; "
            "--host must be an address of this machine."
        ) from error
