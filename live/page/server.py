"""The browser page of a live inspection: a small web server in a thread.

It shows what `watch` offers and passes on three commands. It does not inspect, and
slow, hanging or many browsers never delay the inspection (`goodparts.bounded_http`).
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from goodparts.bounded_http import BOUNDS, print_little
from goodparts.web import NO_STORE, SECURITY_HEADERS, Page, listen, only_own_names

if TYPE_CHECKING:
    from live.page.view import View

COMMANDS = ("start", "stop", "acknowledge")
EVENT_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9]{1,9}")
MEDIA = {"events": (".jpg", "image/jpeg"), "clips": (".mp4", "video/mp4")}
ASSETS = {
    "page.html": "text/html",
    "page.css": "text/css",
    "elements.js": "text/javascript",
    "timeline.js": "text/javascript",
    "events.js": "text/javascript",
    "freshness.js": "text/javascript",
    "page.js": "text/javascript",
}
LONGEST_WAIT_S = 1.0  # of a browser for a newer picture
LONGEST_COMMAND = 1000  # bytes


def serve(watch: View, *, host: str = "127.0.0.1", port: int = 8080) -> Page:
    """Serves the page of `watch` in a separate thread.

    Only requests to this machine's own names are answered, see `is_own_name`. With an
    address that is not a loopback address, everybody who can reach it can see the
    pictures and start and stop inspection: warn the user (`is_loopback`).

    Args:
        watch: Offers `state()`, `events()`, `picture()`, `command(do, event_id)`,
            which returns why it is refused or None, `media(kind, id)`, `metrics()`
            and `health()`; called from threads.
        host: Address to listen at.
        port: Port; 0 chooses a free one.

    Returns:
        A `Page`, already listening.

    Raises:
        InputError: If the server cannot listen at the address, for example if the port
            is in use.
    """
    listener = listen(host, port)
    name = f"[{host}]" if ":" in host else host
    stopping = threading.Event()
    bounds: dict[str, Any] = BOUNDS
    config = uvicorn.Config(
        make_app(watch, stopping, host=host),
        headers=SECURITY_HEADERS,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        **bounds,
    )
    print_little()
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True
    )
    thread.start()
    address = f"http://{name}:{listener.getsockname()[1]}"
    return Page(address, server, thread, stopping)


def make_app(
    watch: View, stopping: threading.Event, *, host: str = "127.0.0.1"
) -> Starlette:
    """The routes as a Starlette application; `stopping` ends waiting requests."""
    app = Starlette(
        routes=[
            Route("/state", _state),
            Route("/events", _events),
            Route("/picture.jpg", _newest_picture),
            Route("/picture", _next_picture),
            Route("/command", _command, methods=["POST"]),
            Route("/healthz", _health),
            Route("/metrics", _metrics),
            Route("/{kind}/{file}", _media),
            Route("/", _asset),
            Route("/{name}", _asset),
        ],
        middleware=[Middleware(only_own_names, host=host)],
    )
    app.state.watch = watch
    app.state.stopping = stopping
    return app


def _asset(request):
    name = request.path_params.get("name", "page.html")
    if name not in ASSETS:
        raise HTTPException(404)
    path = Path(__file__).with_name(name)
    return FileResponse(path, media_type=ASSETS[name], headers=NO_STORE)


class _Json(JSONResponse):
    """JSON in ASCII, so that paths may hold anything."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False).encode()


def _state(request):
    return _Json(request.app.state.watch.state(), headers=NO_STORE)


def _events(request):
    return _Json(request.app.state.watch.events(), headers=NO_STORE)


def _newest_picture(request):
    picture = request.app.state.watch.picture()
    if picture and request.headers.get("if-none-match") == f'"{picture[0]}"':
        return Response(status_code=304, headers=_picture_headers(picture))
    return _picture_response(picture)


async def _next_picture(request):
    """The first picture with another number than `after`; 204 if none arrives."""
    after = request.query_params.get("after")
    end = time.monotonic() + LONGEST_WAIT_S
    while True:
        picture = await run_in_threadpool(request.app.state.watch.picture)
        if picture and str(picture[0]) != after:
            return _picture_response(picture)
        if time.monotonic() > end or request.app.state.stopping.is_set():
            same = Response(status_code=204, headers=NO_STORE)
            return same if picture else _picture_response(None)
        await asyncio.sleep(0.03)


def _picture_response(picture):
    if picture is None:
        return Response("no picture yet", 503, NO_STORE, "text/plain")
    return Response(picture[1], 200, _picture_headers(picture), "image/jpeg")


def _picture_headers(picture):
    """Headers with the verdict on this picture.

    `no-cache`: a browser may store it, but asks each time whether it is current.
    """
    number = str(picture[0])
    return {
        "ETag": f'"{number}"',
        "X-Picture-Number": number,
        "X-Verdict": json.dumps(picture[2]),
        "Cache-Control": "no-cache",
    }


async def _command(request):
    """Starts, stops or acknowledges; only for the page itself.

    A page of another site cannot send the header X-Goodparts without a preflight
    request, which is not answered. An acknowledgement contains the `event` that was on
    the page, so that it never closes one that nobody saw; if this event does not wait
    for it, status 409 and the reason are returned.
    """
    if "x-goodparts" not in request.headers:
        raise HTTPException(403, "The header X-Goodparts is missing.")
    origin = request.headers.get("origin")
    if origin and origin.partition("://")[2] != request.headers["host"]:
        raise HTTPException(403, "This command was sent by a page of another site.")
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > LONGEST_COMMAND:
        raise HTTPException(413)
    try:
        content = json.loads(await request.body())
    except (ValueError, ClientDisconnect):
        content = None
    content = content if isinstance(content, dict) else {}
    do, event_id = content.get("do"), content.get("event")
    if do not in COMMANDS:
        raise HTTPException(400, f'{{"do": one of {COMMANDS}}} is expected.')
    if event_id is not None and not EVENT_ID.fullmatch(str(event_id)):
        raise HTTPException(400, '"event" must be the id of an event.')
    shown = event_id if do == "acknowledge" else None
    refused = await run_in_threadpool(request.app.state.watch.command, do, shown)
    if refused:
        raise HTTPException(409, refused)
    return Response(status_code=204, headers=NO_STORE)


def _media(request):
    kind, file = request.path_params["kind"], Path(request.path_params["file"])
    suffix, media_type = MEDIA.get(kind, (None, None))
    if file.suffix != suffix or not EVENT_ID.fullmatch(file.stem):
        raise HTTPException(404)
    path = request.app.state.watch.media(kind, file.stem)
    if path is None or not Path(path).is_file():
        raise HTTPException(404)
    kept = {"Cache-Control": "private, max-age=3600"}
    return FileResponse(path, media_type=media_type, headers=kept)


def _health(request):
    ok, facts = request.app.state.watch.health()
    return _Json(facts, 200 if ok else 503, NO_STORE)


def _metrics(request):
    kind = "text/plain; version=0.0.4"
    return Response(request.app.state.watch.metrics(), 200, NO_STORE, kind)
