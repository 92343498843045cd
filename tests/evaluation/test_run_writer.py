"""Run folders that are not finished: removed, kept, resumed."""

import os
import socket
import subprocess
import sys

import pytest

from evaluation.run_writer import read_unfinished, start_run
from goodparts.command import InputError


def begin(dataset, runs, **changes):
    about = {"model": "m", "family": "f", "arguments": {"epochs": 3}, "seed": 7}
    return start_run(runs, dataset=dataset, **about | changes)


def interrupt(dataset, runs, error, *, checkpoint):
    """Starts a run that ends in an error; returns what the error said."""
    with pytest.raises(type(error)) as raised, begin(dataset, runs) as run:
        if checkpoint:
            run.checkpoints.mkdir()
            (run.checkpoints / "head.npz").write_bytes(b"state")
        raise error
    return str(raised.value)


def test_without_a_checkpoint_nothing_is_left(dataset, tmp_path):
    interrupt(dataset, tmp_path, KeyboardInterrupt(), checkpoint=False)
    assert list(tmp_path.iterdir()) == []


def test_with_one_it_is_kept_and_the_way_on_is_told(dataset, tmp_path):
    told = interrupt(dataset, tmp_path, KeyboardInterrupt(), checkpoint=True)
    (left,) = tmp_path.iterdir()
    assert told == f"Resume with: goodparts train --resume {left}"
    begun = read_unfinished(left)
    assert (begun["model"], begun["seed"], begun["arguments"]) == (
        "m",
        7,
        {"epochs": 3},
    )


@pytest.mark.parametrize("error", [InputError("gone."), OSError(28, "disk full")])
def test_mistakes_and_full_disks_keep_it_too(error, dataset, tmp_path):
    with pytest.raises(InputError, match=f"{str(error)[-5:-1]}.*--resume"):
        with begin(dataset, tmp_path) as run:
            run.checkpoints.mkdir()
            (run.checkpoints / "head.npz").write_bytes(b"state")
            raise error
    assert len(list(tmp_path.iterdir())) == 1


def test_resuming_with_other_arguments_is_refused(dataset, tmp_path):
    interrupt(dataset, tmp_path, KeyboardInterrupt(), checkpoint=True)
    (left,) = tmp_path.iterdir()
    for changed in ({"seed": 8}, {"arguments": {"epochs": 4}}, {"model": "n"}):
        with pytest.raises(InputError, match="changed after"):
            with begin(dataset, tmp_path, resume=left, **changed):
                pass


def test_only_rubbish_of_ended_processes_is_removed(dataset, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
    ).stdout.strip()
    host = socket.gethostname()
    owners = {
        "rubbish": f"{host} {ended}",
        "alive": f"{host} {os.getppid()}",
        "elsewhere": f"not-{host} {ended}",
        "resumable": f"{host} {ended}",
    }
    for name, owner in owners.items():
        folder = tmp_path / f"2024-01-01-{name}-parts-1.unfinished"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "owner").write_text(owner)
    (folder / "checkpoints" / "head.npz").write_bytes(b"state")
    interrupt(dataset, tmp_path, ValueError(), checkpoint=False)
    left = {path.name.split("-")[3] for path in tmp_path.iterdir()}
    assert left == {"alive", "elsewhere", "resumable"}


def test_two_at_once_get_their_own_numbers(dataset, tmp_path):
    error = ValueError()
    with pytest.raises(ValueError), begin(dataset, tmp_path) as first:
        with begin(dataset, tmp_path) as second:
            assert first.folder.name.endswith("parts-1.unfinished")
            assert second.folder.name.endswith("parts-2.unfinished")
            raise error


def test_a_changed_data_set_is_not_mixed_in(dataset, tmp_path):
    interrupt(dataset, tmp_path, KeyboardInterrupt(), checkpoint=True)
    (left,) = tmp_path.iterdir()
    fewer = dataset._replace(manifest=dataset.manifest[1:])
    with pytest.raises(InputError, match="data set changed after"):
        with begin(fewer, tmp_path, resume=left):
            pass
    assert left.is_dir()
