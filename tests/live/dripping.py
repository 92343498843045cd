"""A receiver that answers byte by byte, and never ends its answer."""

import contextlib
import itertools
import socket
import ssl
import threading
import time

EVERY_S = 0.05  # the next byte, long before a socket gives up


class Dripping:
    """Accepts connections and sends each `begin` at once, then `drop` for ever.

    Args:
        context: `ssl.SSLContext` of a server, or None for plain connections.

    Attributes:
        port: Its port on 127.0.0.1.
        num_ended: Connections that the other side has ended.
    """

    def __init__(self, begin, drop, context=None):
        self._begin, self._drop, self._context = begin, drop, context
        self.num_ended = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with contextlib.suppress(OSError, ssl.SSLError), connection:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            connection.recv(100_000)
            connection.sendall(self._begin)
            for byte in itertools.cycle(self._drop):
                connection.sendall(bytes([byte]))
                time.sleep(EVERY_S)
        self.num_ended += 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._socket.close()
