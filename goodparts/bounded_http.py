"""Limits of a local web server: connections, their duration, and printed lines.

Whatever clients do, file handles and the terminal remain available to the process.
"""

import asyncio
import logging
from time import monotonic
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 64
BACKLOG = 64  # connections that are taken at once, before any of them is closed
REQUEST_S = 10.0  # until a request, or the next one, has come up to its body
BODY_S = 10.0  # until its body has come
READING_S = 30.0  # in which a client reads none of a full buffer
MOST_PRINTED, PRINTED_S = 20, 3600.0  # records of a log within a time


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 for uvicorn with at most MOST_CONNECTIONS connections.

    Above this number, the connection that has waited longest for a request is closed;
    if none is waiting, the new one is closed. A connection whose request, body or
    reading takes too long is closed, even if single bytes keep arriving.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.waits_for: str | None = None
        self.since = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._note()
        ours = [x for x in self.connections if isinstance(x, BoundedProtocol)]
        alive = [x for x in ours if not x.transport.is_closing()]
        if len(alive) > MOST_CONNECTIONS:
            idle = [x for x in alive if x.waits_for == "request" and x is not self]
            min(idle, key=lambda x: x.since, default=self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for("reading")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note()

    def _note(self):
        """Records for whom the connection is waiting."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self.transport.is_closing():
            self._wait_for(None)
        elif self.flow.write_paused:
            self._wait_for("reading")
        elif self.conn.their_state is h11.SEND_BODY:
            self._wait_for("body")
        elif not is_answering:
            self._wait_for("request")
        else:
            self._wait_for(None)

    def _wait_for(self, what):
        """Starts the time limit of the client; further bytes do not extend it."""
        if what == self.waits_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.waits_for, self.since, self._timer = what, self.loop.time(), None
        if what is not None:
            limit = {"request": REQUEST_S, "body": BODY_S, "reading": READING_S}[what]
            self._timer = self.loop.call_later(limit, self.transport.abort)


class _FewErrors(logging.Filter):
    """Lets through the first MOST_PRINTED errors of an hour, and no warnings."""

    def __init__(self):
        super().__init__()
        self._num, self._ends = 0, 0.0

    def filter(self, record):
        if record.levelno < logging.ERROR:
            return False
        now = monotonic()
        if now >= self._ends:
            self._num, self._ends = 0, now + PRINTED_S
        self._num += 1
        return self._num <= MOST_PRINTED


_FEW_ERRORS = _FewErrors()


def print_little() -> None:
    """Limits what the web server and its event loop print about broken clients."""
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(_FEW_ERRORS)


BOUNDS = {  # options of uvicorn.Config
    "http": BoundedProtocol,
    "ws": "none",
    "backlog": BACKLOG,
    "access_log": False,
    "log_config": None,
}
