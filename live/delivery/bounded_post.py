"""An HTTP POST that ends within a time, even if its answer arrives byte by byte.

The timeout of a socket counts from the last byte that came.
"""

import contextlib
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from goodparts.command import reason


def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    authority: ssl.SSLContext | None = None,
    timeout_s: float,
) -> None:
    """Sends a POST request and returns when a status of 2xx has come.

    Redirections are not followed: the redirected request would be a GET without the
    content.

    Args:
        url: Address without user and password.
        content: Body of the request.
        headers: Headers of the request.
        authority: Certificate authority for https://; None for those of the system.
        timeout_s: Seconds for the connection, the request and the answer together. Each
            address of a host that cannot be reached may take as long.

    Raises:
        urllib.error.HTTPError: If another status has come.
        OSError: If nothing was sent, or there is no answer in time.
    """
    request = urllib.request.Request(url, content, dict(headers))
    with _Deadline(timeout_s) as deadline:
        opener = urllib.request.build_opener(
            _NoRedirect, _Plain(deadline), _Secure(deadline, authority)
        )
        try:
            opener.open(request, timeout=timeout_s).close()
        except urllib.error.HTTPError:
            raise
        except (OSError, HTTPException) as error:
            if deadline.is_over:
                raise TimeoutError(f"no answer within {timeout_s:g} s") from error
            if isinstance(error, HTTPException) and not isinstance(error, OSError):
                raise OSError(f"no valid response ({reason(error)})") from error
            raise


class _Deadline:
    """Shuts the sockets that it watches down when the time is over."""

    def __init__(self, seconds):
        self.is_over = False
        self._lock, self._watched = threading.Lock(), []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *error):
        self._timer.cancel()

    def watch(self, connected):
        with self._lock:
            self._watched.append(connected)
            if self.is_over:
                _shut(connected)

    def _end(self):
        with self._lock:
            self.is_over = True
            for connected in self._watched:
                _shut(connected)


def _shut(connected):
    with contextlib.suppress(OSError):  # closed already
        # that of the plain socket: an SSLSocket must not change while it is read
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


class _Watched:
    """A connection whose socket is watched from its first byte on."""

    def __init__(self, *arguments, deadline, **options):
        super().__init__(*arguments, **options)
        self._deadline = deadline

    def send(self, data):
        if self.sock is None:
            self.connect()
        self._deadline.watch(self.sock)
        super().send(data)


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, deadline):
        super().__init__()
        self._deadline = deadline

    def http_open(self, req):
        return self.do_open(partial(_WatchedHTTP, deadline=self._deadline), req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, deadline, authority):
        super().__init__()
        self._deadline, self._authority = deadline, authority

    def https_open(self, req):
        watched = partial(_WatchedHTTPS, deadline=self._deadline)
        return self.do_open(watched, req, context=self._authority)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None
