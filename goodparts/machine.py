"""The machine: its processor, and the memory and file handles of this process."""

import os
import platform
import resource
import sys
from pathlib import Path

MOST_HANDLES = 4096  # more slow down what looks at each of them


def num_cpus() -> int:
    """Number of processors that this process may use; in a container often fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_mb() -> int:
    """The peak memory of this process, in MB."""
    if sys.platform == "linux":  # getrusage counts the parent's memory there too
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM"))
        return round(int(peak.split()[1]) / 2**10)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def raise_handle_limit() -> int:
    """Raises the limit of open files of this process as far as allowed, to 4,096.

    Returns:
        The new limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    most = MOST_HANDLES if hard == unlimited else min(hard, MOST_HANDLES)
    if soft == unlimited or soft >= most:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def is_alive(process_id: int) -> bool:
    """Whether a process of this machine is running."""
    try:
        os.kill(process_id, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, and another user's
    return True


def describe_device() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return f"{names[0] if names else platform.machine()}, {num_cpus()} cores"
