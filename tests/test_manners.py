"""What every command does alike on a terminal: help, errors, Ctrl-C."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from goodparts.cli import NAMES

ROOT = Path(__file__).parent.parent
NOT_SHOWN = {"backbones.py", "goodparts/command.py", "live/page/server.py"}
ELSEWHERE = ("tests", "notebooks", "benchmarks", "docs")


def sources():
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT)
        if name.parts[0] not in ELSEWHERE and not name.parts[0].startswith("."):
            yield str(name), ast.parse(path.read_text())


def texts(tree):
    """Text constants that are no docstrings, with their lines."""
    kinds = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docs:
            yield node.lineno, node.value


def test_no_backticks_are_shown():
    found = [
        f"{name}:{line}"
        for name, tree in sources()
        if name not in NOT_SHOWN
        for line, text in texts(tree)
        if "`" in text
    ]
    assert found == []


def test_no_error_number_is_shown():
    """An OSError as text begins with [Errno 2]: `reason(error)` is its words."""
    kinds = {"OSError", "PermissionError", "FileNotFoundError"}
    found = []
    for name, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler) or node.type is None:
                continue
            caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            if caught & kinds:
                found += [
                    f"{name}:{shown.lineno}"
                    for shown in ast.walk(node)
                    if isinstance(shown, ast.FormattedValue)
                    and isinstance(shown.value, ast.Name)
                    and shown.value.id == node.name
                ]
    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_help_is_plain_and_has_every_default(name):
    more = ["--model", "small_cnn"] if name == "train" else []
    shown = run(name, *more, "--help")
    assert shown.returncode == 0 and shown.stderr == "" and "`" not in shown.stdout
    words = " ".join(shown.stdout.split())
    told = dict(re.findall(r"(--[\w-]+) (?:(?!--).)*?\(default: ([^)]*)\)", words))
    for flag, default in {
        "folders": {"--shares": "0.7 0.15 0.15", "--grouping": "near_duplicates"},
        "augment": {"--multiplier": "12", "--brightness": "0.5 1.5"},
        "train": {"--runs": "runs", "--batch-size": "32", "--loss": "weighted"},
        "live": {"--alarm-after": "5", "--out": "live_events", "--host": "127.0.0.1"},
        "decide": {"--confidence": "0.95"},
        "export": {"--precision": "fp32"},
        "demo": {"--seed": "0"},
        "ensemble": {"--runs": "runs"},
    }.get(name, {}).items():
        assert told.get(flag) == default, told


def test_ctrl_c_while_a_command_loads_is_one_line():
    """The signal comes as soon as something heavy is imported."""
    code = (
        "import os, signal, sys\n"
        "class Sender:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'pandas':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Sender())\n"
        "from goodparts.cli import main\n"
        "main(['compare', 'a'])\n"
    )
    stopped = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert stopped.stderr == "Interrupted. Run the same command again.\n"
    assert stopped.returncode == 130 and stopped.stdout == ""


def test_ctrl_c_later_raises_as_ever():
    code = (
        "import os, signal\n"
        "from goodparts.command import run_command\n"
        "from goodparts.loading import loading\n"
        # a parent in the background may have made it ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def main():\n"
        "    with loading():\n        pass\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    finally:\n        print('put in order')\n"
        "run_command(main)\n"
    )
    stopped = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert stopped.stdout == "put in order\n" and stopped.returncode == 130
    assert stopped.stderr == "Interrupted. Run the same command again.\n"


def test_wrong_data_are_told_before_keras_is_imported():
    code = (
        "import sys\nfrom goodparts.cli import main\n"
        "try:\n    main(['train', '--model', 'small_cnn', '--data', 'x'])\n"
        "finally:\n    print('keras' in sys.modules, 'tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert "x has no manifest.csv" in done.stderr and done.returncode == 2, done
    assert done.stdout == "False False\n"


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "goodparts", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
