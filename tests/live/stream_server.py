"""Cameras on loopback for tests and benchmarks: RTSP, MJPEG over HTTP, a faulty wire.

Every drawn picture is a code of its own number, repeated from top to bottom, with
fixed colours on the right: `read_code` tells a whole picture from a torn, grey or
stale one. The number is the time of drawing by `time.monotonic()`.

Run as a script this is the RTSP server itself. It needs the system's Python with
gst-rtsp-server and nothing else; `RtspServer` starts and kills it.
"""

import argparse
import contextlib
import functools
import os
import random
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SYSTEM_PYTHON = "/usr/bin/python3"
SIZE = (368, 640)  # height, width
BLOCK = 16
BITS = 32
TICKS_PER_S = 10_000
X26 = "tune=zerolatency speed-preset={} key-int-max=15 bitrate=4000 "
ENCODERS = {  # the packets of H.265 are so small that many make a picture
    "h264": f"x264enc {X26.format('veryfast')} ! video/x-h264,profile=main "
    "! h264parse config-interval=-1 ! rtph264pay",
    "h264 split": f"x264enc {X26.format('veryfast')} ! video/x-h264,profile=main "
    "! rtph264pay config-interval=-1",
    "h265": f"x265enc {X26.format('ultrafast')} "
    "! h265parse config-interval=-1 ! rtph265pay mtu=120",
    "mpeg4": "avenc_mpeg4 bitrate=4000000 ! rtpmp4vpay config-interval=1",
}
COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))


def now_number():
    """The time of now as the number that a picture carries."""
    return int(time.monotonic() * TICKS_PER_S) % 2**BITS


def age_of(number, at):
    """Seconds from the drawing of picture `number` to the time `at`."""
    return (int(at * TICKS_PER_S) - number) % 2**BITS / TICKS_PER_S


def draw_bytes(number, size=SIZE):
    """The RGB bytes of picture `number`: 32 bits of black and white, 4 colours a row.

    Blocks are as wide as the picture allows; the rest on the right is grey.
    """
    height, width = size
    wide = width // (BITS + len(COLOURS))
    bits = [(230,) * 3 if number >> bit & 1 else (25,) * 3 for bit in range(BITS)]
    row = b"".join(bytes(colour) * wide for colour in (*bits, *COLOURS))
    row += b"\x80" * (width * 3 - len(row))
    return row * height


def read_code(image):
    """The number of a picture, or None if any of its blocks is not as it was drawn."""
    import numpy as np

    height, width = image.shape[:2]
    wide = width // (BITS + len(COLOURS))
    blocks = image[BLOCK // 2 :: BLOCK, wide // 2 : wide * (BITS + 4) : wide]
    blocks = blocks.astype(int)
    white = blocks[0, :BITS].mean(axis=1) > 128
    number = sum(1 << bit for bit in range(BITS) if white[bit])
    true = np.where(white[:, None], 230, 25) * np.ones(3, int)
    true = np.concatenate([true, COLOURS])
    return number if np.abs(blocks - true).max() < 60 else None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@functools.cache
def why_no_rtsp():
    """Why this system cannot run the RTSP server, or None if it can."""
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); "
        "from gi.repository import Gst; Gst.init(None); "
        "raise SystemExit(not Gst.ElementFactory.find('x264enc'))"
    )
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True)
    except FileNotFoundError:
        return f"needs {SYSTEM_PYTHON}"
    if done.returncode:
        return "needs gst-rtsp-server, python3-gi and x264enc of the system"
    return None


class RtspServer:
    """An RTSP camera in a process of its own, that can be killed and frozen.

    Args:
        frames: A video file or a folder of numbered images (`%04d.png` pattern),
            shown in a loop; None for drawn pictures. Files need ffmpeg.
        size: Height and width.
        rate: Frames a second.
        codec: A name of ENCODERS. "h264 split" has parameter sets between the slices
            of a key frame, as some cameras do: decoders then show half of it, grey.
    """

    def __init__(self, frames=None, *, size=SIZE, rate=30, codec="h264"):
        self.frames, self.size, self.rate, self.codec = frames, size, rate, codec
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/camera"
        self.process = None

    def start(self):
        command = [SYSTEM_PYTHON, __file__, str(self.port), str(self.rate)]
        command += [str(length) for length in self.size]
        command += [str(self.frames)] if self.frames else []
        command += ["--codec", self.codec]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # "ready"
        return self

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    __enter__ = start

    def __exit__(self, *error):
        self.kill()


class MjpegServer:
    """A camera of JPEGs over HTTP in a thread of this process.

    Attributes, which may be set at any time:
        size: Height and width of the pictures.
        refuses: Ends every stream, and answers with 404, while True.
        stalled: Sends nothing while True, with the connection open.
        still: Sends the same picture again and again while True.
        garbage: How many of the next parts are random bytes.
        truncated: How many of the next parts are the first half of a JPEG.
        broken: How many of the next parts have random bytes in the middle.
        noise: How many times random bytes are sent between two parts.
        num_connections: Clients that came so far.
    """

    def __init__(self, *, size=SIZE, rate=30, port=0):
        self.size, self.rate = size, rate
        self.stalled = self.still = self.refuses = False
        self.garbage = self.truncated = self.broken = self.noise = 0
        self.num_connections = 0
        self.number = now_number()
        self.running = True
        self.random = random.Random(0)
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.num_connections += 1
                with contextlib.suppress(ConnectionError):
                    server.stream(self)

            def log_message(self, *words):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_port
        self.url = f"http://127.0.0.1:{self.port}/camera.mjpg"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stream(self, handler):
        if self.refuses:
            handler.send_error(404)
            return
        handler.send_response(200)
        kind = "multipart/x-mixed-replace; boundary=frame"
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        while self.running and not self.refuses:
            time.sleep(1 / self.rate)
            if self.stalled:
                continue
            if not self.still:
                self.number = now_number()
            part = self.part(self.number)
            if self.taken("noise"):
                handler.wfile.write(self.random.randbytes(5000))
            head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
            handler.wfile.write((head % len(part)).encode() + part + b"\r\n")

    def part(self, number):
        content = jpeg(number, self.size)
        half = len(content) // 2
        if self.taken("garbage"):
            return self.random.randbytes(len(content))
        if self.taken("truncated"):
            return content[:half]
        if self.taken("broken"):
            middle = self.random.randbytes(200)
            return content[:half] + middle + content[half + 200 :]
        return content

    def taken(self, fault):
        """Whether a part with this fault is due; counts it down."""
        due = getattr(self, fault)
        setattr(self, fault, max(due - 1, 0))
        return due > 0

    def stop(self):
        self.running = False
        self.http.shutdown()
        self.http.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()


def draw(number, size=SIZE):
    """Picture `number` as uint8 RGB `(height, width, 3)`."""
    import numpy as np

    return np.frombuffer(draw_bytes(number, size), np.uint8).reshape(*size, 3)


def jpeg(number, size):
    import cv2

    return cv2.imencode(".jpg", draw(number, size)[..., ::-1])[1].tobytes()


class FaultyWire:
    """A TCP relay to a camera that cuts, corrupts or loses bytes on the way back.

    Attributes, which may be set at any time:
        corrupt: Share of the pieces of a stream in which bytes are overwritten.
        lose: Share of the whole RTP packets (RTSP over TCP) that are left out.
    """

    def __init__(self, port):
        self.camera = port
        self.corrupt = self.lose = 0.0
        self.num_faults = 0
        self.random = random.Random(0)
        self.pairs = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.server.accept()[0]
                try:
                    camera = socket.create_connection(("127.0.0.1", self.camera))
                except OSError:
                    client.close()
                    continue
                self.pairs.append((client, camera))
                for way in ((client, camera, False), (camera, client, True)):
                    threading.Thread(target=self.relay, args=way, daemon=True).start()

    def relay(self, source, sink, faulty):
        with contextlib.suppress(OSError):
            while piece := (self.packet(source) if faulty else source.recv(65536)):
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def packet(self, source):
        """The next bytes from the camera: one whole RTP packet once it plays."""
        first = source.recv(1)
        if first != b"$":
            return first
        head = first + read_all(source, 3)
        packet = bytearray(read_all(source, int.from_bytes(head[2:], "big")))
        if head[1] == 0 and self.random.random() < self.lose:
            self.num_faults += 1
            return self.packet(source)
        if head[1] == 0 and self.random.random() < self.corrupt:
            self.num_faults += 1
            at = self.random.randrange(12, len(packet))
            packet[at : at + 8] = self.random.randbytes(len(packet[at : at + 8]))
        return head + packet

    def cut(self):
        """Breaks every connection in the middle of whatever it sends."""
        pairs, self.pairs = self.pairs, []
        for end in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.server.close()
        self.cut()


def read_all(source, count):
    content = b""
    while len(content) < count:
        piece = source.recv(count - len(content))
        if not piece:
            raise ConnectionError("closed")
        content += piece
    return content


def serve(port, rate, size, *, frames, codec):
    """Runs the RTSP server until it is killed."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    height, width = size
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(
        "( appsrc name=source is-live=true format=time do-timestamp=true "
        f'caps="video/x-raw,format=(string)RGB,width={width},height={height},'
        f'framerate={rate}/1" ! videoconvert ! video/x-raw,format=I420 ! '
        f"{ENCODERS[codec]} name=pay0 pt=96 )"
    )
    pictures = file_pictures(frames, size) if frames else drawn_pictures(size)
    sources = []
    factory.connect(
        "media-configure",
        lambda _, media: sources.append(
            media.get_element().get_by_name_recurse_up("source")
        ),
    )

    def push():
        due = time.monotonic()
        for picture in pictures:
            for source in list(sources):
                if source.emit("push-buffer", Gst.Buffer.new_wrapped(picture)) not in (
                    Gst.FlowReturn.OK,
                    Gst.FlowReturn.FLUSHING,
                ):
                    sources.remove(source)
            due = max(due + 1 / rate, time.monotonic() - 1)
            time.sleep(max(due - time.monotonic(), 0))

    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(port))
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    threading.Thread(target=push, daemon=True).start()
    print("ready", flush=True)
    GLib.MainLoop().run()


def drawn_pictures(size):
    while True:
        yield draw_bytes(now_number(), size)


def file_pictures(path, size):
    """The pictures of a video file or a folder `0000.png, 0001.png...`, in a loop."""
    height, width = size
    source = f"{path}/%04d.png" if os.path.isdir(path) else path
    command = ["ffmpeg", "-loglevel", "error", "-stream_loop", "-1", "-i", source]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:
        while picture := process.stdout.read(width * height * 3):
            yield picture


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("height", type=int)
    parser.add_argument("width", type=int)
    parser.add_argument("frames", nargs="?")
    parser.add_argument("--codec", choices=ENCODERS)
    given = parser.parse_args()
    serve(
        given.port,
        given.rate,
        (given.height, given.width),
        frames=given.frames,
        codec=given.codec,
    )
