"""The environment: what a fresh machine must end up with."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import cv2

ROOT = Path(__file__).parent.parent
OLD_HOSTS = re.compile(r"https?://([^/\s\"']+)")


def test_opencv_has_its_contrib_modules():
    """The headless wheel that albumentations brings must not lie on top."""
    assert hasattr(cv2, "ximgproc") and hasattr(cv2, "img_hash")


def test_the_only_package_source_is_pypi():
    for sources in (
        tomllib.loads((ROOT / "Pipfile").read_text())["source"],
        json.loads((ROOT / "Pipfile.lock").read_text())["_meta"]["sources"],
    ):
        assert [source["name"] for source in sources] == ["pypi"]
        assert OLD_HOSTS.match(sources[0]["url"]).group(1) == "pypi.org"
    lock = (ROOT / "Pipfile.lock").read_text()
    assert set(OLD_HOSTS.findall(lock)) == {"pypi.org"}


def test_make_lists_its_targets():
    result = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True)
    for target in ("setup", "demo", "test", "test-all", "lint", "format"):
        assert f"make {target}" in result.stdout


def test_every_package_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    tools = project["tool"]["setuptools"]
    assert set(tools["packages"]["find"]["include"]) == {f"{x}*" for x in packages}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert modules == set(tools["py-modules"])


def test_every_folder_of_a_package_is_a_package():
    for package in ROOT.glob("*/__init__.py"):
        for path in package.parent.rglob("*.py"):
            assert path.with_name("__init__.py").is_file(), path
