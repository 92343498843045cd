"""Prints the packages of the image `inspect` as pip takes them, out of Pipfile.lock.

python3 docker/inspect_requirements.py Pipfile.lock > requirements.txt

Versions and hashes are those of the lock and stand nowhere else. The list is whole:
it is installed without looking for dependencies, and `pip check` finds what lacks.
"""

import json
import sys
from pathlib import Path

PACKAGES = (
    *("numpy", "opencv-python-headless", "pillow", "av"),  # images and streams
    *("openvino", "openvino-telemetry"),  # networks
    *("cryptography", "cffi", "pycparser"),  # signatures of bundles
    *("starlette", "anyio", "idna", "typing-extensions"),  # page
    *("uvicorn", "click", "h11"),
    *("paho-mqtt", "prometheus-client"),  # outputs
    *("threadpoolctl", "tqdm"),  # every command
)


def requirements(lock):
    """Lines of a requirements file, each with its version and hashes.

    Args:
        lock: What Pipfile.lock holds.
    """
    locked = lock["default"]
    for name in PACKAGES:
        hashes = (f"--hash={value}" for value in locked[name]["hashes"])
        yield " ".join([name + locked[name]["version"], *hashes])


if __name__ == "__main__":
    print(*requirements(json.loads(Path(sys.argv[1]).read_text())), sep="\n")
