"""The two images and the script that opens them; no Docker daemon is needed."""

import ast
import csv
import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from models import MODELS

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "docker" / "Dockerfile"
REQUIREMENTS = ROOT / "docker" / "inspect_requirements.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")}
OURS |= set(PROJECT["tool"]["setuptools"]["py-modules"])
DAEMON_DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
NOT_ALLOWED = "permission denied while trying to connect to the Docker daemon socket"
SHELLS = {
    "executed": '"$script" "$@"',
    "bash": 'source "$script" "$@"',
    "zsh": 'source "$script" "$@"',
}


def copied():
    """Paths that the Dockerfile copies from the repository."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.M):
        yield from line.split()[:-1]


def lines_of_inspect():
    """Of the target `inspect` and of the one that makes its files."""
    return DOCKERFILE.read_text().split(" AS train")[0]


def inspect_packages():
    """Names of what pip installs in the target `inspect`."""
    return set(runpy.run_path(str(REQUIREMENTS))["PACKAGES"])


def test_dockerfile_has_nothing_to_complain_about():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: make setup")
    result = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_every_copied_file_exists_and_is_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert "preprocessing" in copied() and "." in copied()
    for path in copied():
        assert (ROOT / path).exists(), path
        assert path not in ignored


def test_hidden_files_data_and_results_stay_outside():
    assert {".*", "dataset", "runs"} <= set(
        (ROOT / ".dockerignore").read_text().split()
    )


def test_requirements_have_the_versions_and_hashes_of_the_lock():
    command = [sys.executable, REQUIREMENTS, ROOT / "Pipfile.lock"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    locked = json.loads((ROOT / "Pipfile.lock").read_text())["default"]
    lines = {line.split("==")[0]: line for line in output.splitlines()}
    assert set(lines) == inspect_packages()
    assert not {"tensorflow", "keras", "pandas", "scipy", "scikit-learn"} & set(lines)
    for name, line in lines.items():
        version, *hashes = line.split()
        assert version == name + locked[name]["version"]
        assert hashes == [f"--hash={value}" for value in locked[name]["hashes"]]


def test_a_package_that_is_not_locked_stops_the_build(tmp_path):
    lock = tmp_path / "Pipfile.lock"
    lock.write_text('{"default": {}}')
    result = subprocess.run([sys.executable, REQUIREMENTS, lock], capture_output=True)
    assert result.returncode != 0


def test_inspect_has_what_its_packages_need():
    packages = inspect_packages()
    for name in packages:
        for requirement in map(Requirement, requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in packages, name


def test_inspect_has_what_the_runtime_and_the_runner_import():
    found = third_party({"deployment.runtime", *modules_in("live")})
    distributions = packages_distributions()
    assert {"numpy", "cv2"} <= found
    for name in found:
        assert inspect_packages() & set(map(canonicalize_name, distributions[name]))


def modules_in(package):
    names = (
        path.relative_to(ROOT).with_suffix("")
        for path in (ROOT / package).rglob("*.py")
    )
    return {str(name).replace("/", ".") for name in names}


def third_party(modules):
    """Packages that modules of ours import at once, themselves or through others."""
    seen, waiting, found = set(), list(modules), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = ROOT / f"{module.replace('.', '/')}.py"
        if not path.exists():
            continue
        for name in imported_at_once(path):
            top = name.split(".")[0]
            if top in OURS:
                is_copied = re.search(rf"COPY {top}(\.py)? ", lines_of_inspect())
                assert is_copied, f"{path} imports {name}"
                waiting.append(name)
            elif top not in sys.stdlib_module_names:
                found.add(top)
    return found


def imported_at_once(path):
    """Modules imported outside of functions."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_inspect_has_every_family():
    """They are imported by name, so that no import statement tells."""
    for family in {*MODELS.values(), "ensemble"}:
        assert f"COPY {family} " in lines_of_inspect()


def test_inspect_runs_the_live_runner_without_root():
    text = lines_of_inspect()
    entry = json.loads(re.search(r"^ENTRYPOINT (.+)$", text, re.M).group(1))
    assert entry[:5] == ["python3", "-P", "-m", "goodparts", "live"]
    assert re.search(r"^USER [1-9]\d*$", text, re.M)
    assert "EXPOSE 8080" in text and ":8080/healthz" in text
    assert "HEALTHCHECK" in text
    if importlib.util.find_spec("live.watch"):
        command = [sys.executable, *entry[1:], "--help"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert result.returncode == 0 and "--host" in result.stdout


@pytest.fixture
def machine(tmp_path):
    """A copy of the repository's script, spaces in its path, and machines made up."""
    return Machine(tmp_path)


class Machine:
    """Runs start_docker.sh with programs that only write down their arguments."""

    def __init__(self, folder):
        self.repository = folder / "my parts, no" / "good parts"
        self.programs = folder / "programs"
        self.log = folder / "calls"
        self.repository.mkdir(parents=True)
        self.programs.mkdir()
        shutil.copy(ROOT / "start_docker.sh", self.repository)
        for name in (
            "bash",
            "env",
            "dirname",
            "basename",
            "mkdir",
            "id",
            "head",
            "zsh",
        ):
            if found := shutil.which(name):
                (self.programs / name).symlink_to(found)
        self.docker('echo \'{"runc":{}} ["name=seccomp"]\'')

    def program(self, name, body):
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def docker(self, info):
        """`docker info` does as told; everything else is written down."""
        self.program(
            "docker",
            f'if [ "$1" = info ]; then {info}; exit; fi\n'
            f"for argument; do printf '%s\\n' \"$argument\"; done >> '{self.log}'\n"
            f"printf -- '---\\n' >> '{self.log}'",
        )

    def gpu(self, *, runtime):
        self.program("nvidia-smi", "echo 'GPU 0: Fake'")
        if runtime:
            self.docker('echo \'{"nvidia":{},"runc":{}} ["name=seccomp"]\'')

    def start(self, *arguments, how="executed", cwd=None, before="", after=""):
        shell = "zsh" if how == "zsh" else "bash"
        if not (program := shutil.which(shell)):
            pytest.skip(f"{shell} is not installed")
        script = os.path.relpath(self.repository / "start_docker.sh", cwd or "/")
        text = f"script=./$1; shift; {before}\n{SHELLS[how]}\n{after or 'exit $?'}"
        no_rc = "-f" if shell == "zsh" else "--norc"
        return subprocess.run(
            [program, no_rc, "-c", text, shell, script, *arguments],
            env={"PATH": str(self.programs), "HOME": str(self.repository)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=cwd or "/",
        )

    def calls(self):
        """What docker was asked to do, as lists of arguments."""
        if not self.log.exists():
            return []
        calls = self.log.read_text().split("---\n")
        return [call.splitlines() for call in calls if call]


def mounts(run):
    """Fields of every --mount, read as docker reads them: a line of CSV."""
    words = (run[i + 1] for i, word in enumerate(run) if word == "--mount")
    return list(csv.reader(words))


@pytest.mark.parametrize("how", SHELLS)
def test_train_is_built_and_opened(machine, how):
    result = machine.start(how=how)
    assert result.returncode == 0, result.stderr
    build, run = machine.calls()
    assert build[0] == "build" and build[-1] == "."
    assert build[build.index("--target") + 1] == "train"
    assert "TENSORFLOW=tensorflow" in build
    assert run[0] == "run" and run[-1] == "goodparts-train"
    assert run[run.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    published = {run[i + 1] for i, word in enumerate(run) if word == "--publish"}
    assert published == {"127.0.0.1:8080:8080", "127.0.0.1:8888:8888"}
    assert "--gpus" not in run and "Without a GPU" in result.stdout
    assert "--tty" not in run  # nobody is at a terminal here
    for name in ("dataset", "runs"):
        folder = machine.repository / name
        assert folder.is_dir()
        mount = ["type=bind", f"source={folder}", f"target=/goodparts/{name}"]
        assert mount in mounts(run)


def test_arguments_are_the_command(machine):
    machine.start("pipenv", "run", "predict", "a b.png")
    assert machine.calls()[1][-4:] == ["pipenv", "run", "predict", "a b.png"]


def test_the_gpu_is_used_where_there_is_one(machine):
    machine.gpu(runtime=True)
    result = machine.start()
    build, run = machine.calls()
    assert run[run.index("--gpus") + 1] == "all"
    assert "TENSORFLOW=tensorflow[and-cuda]" in build
    assert "GPU 0: Fake" in result.stdout


def test_without_the_nvidia_runtime_it_goes_on_and_says_so(machine):
    machine.gpu(runtime=False)
    result = machine.start()
    assert result.returncode == 0 and "--gpus" not in machine.calls()[1]
    assert "lacks the NVIDIA runtime" in result.stdout
    assert "container-toolkit" in result.stdout


def test_a_driver_that_fails_is_no_gpu(machine):
    machine.program("nvidia-smi", "echo mismatch; exit 9")
    result = machine.start()
    assert result.returncode == 0 and "--gpus" not in machine.calls()[1]


def test_in_rootless_docker_files_are_the_callers_as_root(machine):
    machine.docker('echo \'{"runc":{}} ["name=rootless"]\'')
    machine.start()
    run = machine.calls()[1]
    assert run[run.index("--user") + 1] == "0:0"


@pytest.mark.parametrize("how", SHELLS)
def test_a_missing_docker_is_said(machine, how):
    (machine.programs / "docker").unlink()
    result = machine.start(how=how)
    assert result.returncode == 2
    assert "Docker is not installed" in result.stderr


@pytest.mark.parametrize(
    ("problem", "advice"),
    [(DAEMON_DOWN, "systemctl start docker"), (NOT_ALLOWED, "usermod -aG docker")],
)
def test_a_docker_that_does_not_answer_is_said(machine, problem, advice):
    machine.docker(f"echo null; echo '{problem}' >&2; exit 1")
    result = machine.start()
    assert result.returncode == 2 and not machine.calls()
    assert result.stderr.count("\n") == 1 and advice in result.stderr


def test_a_failed_build_opens_nothing(machine):
    body = (
        'case $1 in info) echo null ;; build) exit 7 ;; run) touch "$HOME/ran" ;; esac'
    )
    machine.program("docker", body)
    assert machine.start().returncode == 7
    assert not (machine.repository / "ran").exists()


@pytest.mark.parametrize("how", ["bash", "zsh"])
@pytest.mark.parametrize("works", [True, False])
def test_sourcing_leaves_nothing_behind(machine, how, works):
    if not works:
        machine.docker("exit 1")
    seen = "{ set -o; pwd; typeset -f; alias; trap; } | command cat"
    (machine.programs / "cat").symlink_to(shutil.which("cat"))
    names = "compgen -v" if how == "bash" else "print -l ${(ko)parameters}"
    result = machine.start(
        how=how,
        before=f"names=1; before=$({seen}); names=$({names})",
        after=f'status_=$?; [ "$({seen})" = "$before" ] && echo same; {names} '
        '> "$HOME/after"; echo "$names" > "$HOME/before"; echo "alive $status_"',
    )
    assert "same" in result.stdout, result.stderr
    assert f"alive {0 if works else 2}" in result.stdout
    before, after = (
        set((machine.repository / name).read_text().split())
        for name in ("before", "after")
    )
    assert after - before <= {"status_", "before", "PIPESTATUS", "BASH_REMATCH"}


@pytest.mark.parametrize("how", SHELLS)
def test_inspect_gets_the_bundle_read_only(machine, how, tmp_path):
    (tmp_path / "here" / "a cap.goodparts").mkdir(parents=True)
    arguments = ["inspect", "a cap.goodparts", "--source", "rtsp://camera/1"]
    result = machine.start(*arguments, how=how, cwd=tmp_path / "here")
    assert result.returncode == 0, result.stderr
    build, run = machine.calls()
    assert build[build.index("--target") + 1] == "inspect"
    kept = ["--out", "runs/live_events"]  # runs/ outlives the container
    tail = ["/data/a cap.goodparts", *kept, "--source", "rtsp://camera/1"]
    assert run[-6:] == ["goodparts-inspect", *tail]
    bundle = f"source={tmp_path}/here/a cap.goodparts"
    expected = ["type=bind", bundle, "target=/data/a cap.goodparts", "readonly"]
    assert expected in mounts(run)


@pytest.mark.parametrize("arguments", [[], ["absent.goodparts"]])
def test_inspect_needs_a_bundle(machine, arguments):
    result = machine.start("inspect", *arguments)
    assert result.returncode == 2 and not machine.calls()
    assert "bundle" in result.stderr.lower()
