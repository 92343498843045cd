"""Who may import whom: the data flow one way, from disk to camera."""

import ast
import subprocess
import sys
from pathlib import Path

import models

ROOT = Path(__file__).parent.parent
FAMILIES = set(models.MODELS.values())
BASE = {"goodparts", "preprocessing", "evaluation"}
ALLOWED = {
    "goodparts": set(),
    "preprocessing": {"goodparts"},
    "backbones": {"goodparts"},
    "svm": {"goodparts", "preprocessing"},
    "networks": {"goodparts"},
    "evaluation": BASE,
    "decisions": BASE,
    "reporting": BASE | {"decisions"},
    "ensemble": BASE | {"svm", "decisions", "reporting"},
    **{name: BASE | {"backbones", "networks", "svm"} for name in FAMILIES},
    "models": BASE,
    "deployment": BASE | {"decisions", "networks", "ensemble", "models"},
    "live": BASE | {"decisions", "deployment"},
}
ALLOWED["commands"] = set(ALLOWED)
OURS = set(ALLOWED)
NO_KERAS = (
    "goodparts",
    "preprocessing",
    "evaluation",
    "ensemble",
    "bovw",
    "live",
    "commands",
    "models.py",
)

KERAS = {"keras", "tensorflow", "networks.quiet_keras"}
CHANGES_NOTHING = """
import importlib, os, sys
import cv2  # it adds to the environment itself

def state():
    return cv2.getNumThreads(), dict(os.environ), os.fstat(2)[:3]

before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
    assert state() == before, name
    assert not {"keras", "tensorflow"} & set(sys.modules), name
"""


def imported(path):
    """Names of the top-level modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.split(".")[0]


def files_of(room):
    folder = ROOT / room
    return folder.rglob("*.py") if folder.is_dir() else [ROOT / f"{room}.py"]


def test_imports_go_one_way():
    for room, allowed in ALLOWED.items():
        for path in files_of(room):
            forbidden = set(imported(path)) & OURS - allowed - {room}
            assert not forbidden, f"{path} imports {forbidden}"


def test_every_package_has_a_rule():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(ALLOWED), "give the new package a rule above"


def test_keras_stays_in_its_rooms():
    for room in NO_KERAS:
        for path in files_of(room.removesuffix(".py")):
            assert not {"keras", "tensorflow"} & set(imported(path)), path


def test_no_pickle_anywhere():
    for path in [*ROOT.glob("*.py"), *ROOT.glob("[!.]*/**/*.py")]:
        assert not {"pickle", "joblib", "dill"} & set(imported(path)), path


def test_an_import_changes_nothing_but_itself():
    """Neither threads nor environment nor standard error, where no Keras is needed."""
    paths = {name_of(path): path for room in OURS for path in files_of(room)}
    needing = set(KERAS)
    while more := {name for name in paths if needing & loaded(paths[name])} - needing:
        needing |= more
    names = sorted(set(paths) - needing)
    assert len(names) > 100 and "classification" in names
    command = [sys.executable, "-c", CHANGES_NOTHING, *names]
    subprocess.run(command, cwd=ROOT, check=True)


def name_of(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def loaded(path):
    """Names of all that a file imports when it is imported itself."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{x.name}" for x in node.names)}
    return names
