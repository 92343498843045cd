"""The console command: one name for all, and wrong words answered at once."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from goodparts.cli import GROUPS, NAMES, main

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEAVY = {"pandas", "scipy", "sklearn", "matplotlib", "keras", "tensorflow", "av"}
FAMILIES = [["train", "--model", name] for name in ("bovw", "resnet50")]


def run(*words, code=None):
    program = ["-c", code] if code else ["-m", "goodparts"]
    command = [sys.executable, *program, *words]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_entry_point_and_every_script_of_the_pipfile():
    assert PROJECT["scripts"] == {"goodparts": "goodparts.cli:main"}
    scripts = tomllib.loads((ROOT / "Pipfile").read_text())["scripts"]
    assert scripts == {name: f"goodparts {name}" for name in scripts}
    assert set(scripts) == set(NAMES)
    modules = {path.stem for path in (ROOT / "commands").glob("[!_]*.py")}
    assert modules == {name.replace("-", "_") for name in NAMES}


def test_help_groups_the_commands():
    shown = run("--help")
    assert shown.returncode == 0 and shown.stderr == ""
    places = [shown.stdout.index(f"\n{title}:\n") for title in GROUPS]
    assert places == sorted(places)
    for name in NAMES:
        assert f"\n  {name} " in shown.stdout


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "error: No command was given."),
        (["tran"], "error: There is no command 'tran'. Did you mean train?"),
        (["train", "--model", "bov"], "There is no model 'bov'. Did you mean bovw?"),
        (["train"], "--model is missing: choose one of mobilenetv2"),
        (["train", "--model", "bovw"], "--data is missing"),
        (["train", "--resume", "x", "--seed", "1"], "--resume continues one run"),
        (["train", "--mod", "bovw"], "unrecognized arguments: --mod bovw"),
        (["folders", "--seed", "-1"], "must be a whole number"),
        (
            ["export", "r", "-o", "x", "--format", "litert", "--sign", "k"],
            "apply to bundles only",
        ),
        (["live", "x.goodparts", "--source", "@nothing"], "--source"),
    ],
)
def test_wrong_words_end_with_status_2(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2 and said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("words", [*([name] for name in NAMES), *FAMILIES])
def test_a_wrong_flag_is_answered_before_anything_heavy_is_imported(words):
    code = (
        "import sys\nfrom goodparts.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(*{name.split('.')[0] for name in sys.modules})\n"
    )
    done = run(*words, "--zzz", code=code)
    assert done.returncode == 2 and "usage: goodparts" in done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_usage_shows_what_was_typed(monkeypatch, capsys):
    for active, typed in (("", "goodparts"), ("1", "pipenv run")):
        monkeypatch.setenv("PIPENV_ACTIVE", active)
        with pytest.raises(SystemExit) as end:
            main(["boxes", "--help"])
        shown = capsys.readouterr().out
        assert end.value.code == 0 and shown.startswith(f"usage: {typed} boxes")
        assert f"{typed} boxes dataset/screw" in shown
    script = ROOT / "preprocessing" / "create_folders.py"
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True
    )
    assert done.stdout.startswith(f"usage: python3 {script}")


def test_a_missing_package_is_named():
    code = (
        "import sys\nsys.modules['pandas'] = None\n"
        "from goodparts.cli import main\nmain(['compare', 'a'])\n"
    )
    done = run(code=code)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "package pandas is not installed" in done.stderr
