"""Training time and memory of a run; those of an ensemble include its members."""

from typing import Any

from evaluation.run_folder import Run, member_folders, read_run
from goodparts.command import InputError


def cost(run: Run) -> dict[str, Any]:
    """Computes time and memory of a run, including its members.

    Returns:
        A dict: `wall_time_s` (the sum), `peak_memory_mb` (the maximum) and `note`,
        which says what is included; empty for a run without members.
    """
    own = [run.config["wall_time_s"], run.config["peak_memory_mb"]]
    if "members" not in run.config:
        return dict(wall_time_s=own[0], peak_memory_mb=own[1], note="")
    try:
        parts = [own, *_members(run).values()]
        note = f"including its {len(run.config['members'])} members"
    except InputError:
        parts = [own]
        note = "excluding its members, whose folders no longer exist"
    times, peaks = zip(*parts, strict=True)
    return dict(wall_time_s=sum(times), peak_memory_mb=max(peaks), note=note)


def _members(run):
    """Time and memory of every run below an ensemble, each once, by its folder."""
    found = {}
    for folder in member_folders(run):
        member = read_run(folder)
        found[folder] = [member.config["wall_time_s"], member.config["peak_memory_mb"]]
        if "members" in member.config:
            found |= _members(member)
    return found
