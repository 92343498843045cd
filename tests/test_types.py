"""Public functions say what they take and return; `make lint` checks that it is so."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TYPED = [
    "goodparts",
    "preprocessing",
    "networks",
    "backbones.py",
    "svm.py",
    "models.py",
    "classification",
    "bovw",
    "anomaly",
    "segmentation",
    "ensemble",
    "evaluation",
    "decisions",
    "reporting",
    "deployment",
    "live",
    "commands",
]
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(tree):
    """Yields name and node of every public function, method and `__init__`."""
    for node in tree.body:
        if isinstance(node, FUNCTIONS):
            if not node.name.startswith("_"):
                yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                is_function = isinstance(inner, FUNCTIONS)
                if is_function and inner.name == "__init__":
                    yield f"{node.name}.__init__", inner
            for name, inner in public_functions(node):
                yield f"{node.name}.{name}", inner


def missing_hints(source):
    """What public functions of a module leave open: `name(parameter)`, `name ->`."""
    found = []
    for name, node in public_functions(ast.parse(source)):
        given = node.args
        parameters = [*given.posonlyargs, *given.args]
        decorators = [ast.unparse(each) for each in node.decorator_list]
        if "." in name and "staticmethod" not in decorators:
            parameters = parameters[1:]  # self or cls
        parameters += [*given.kwonlyargs, given.vararg, given.kwarg]
        found += [
            f"{name}({each.arg})"
            for each in parameters
            if each is not None and each.annotation is None
        ]
        if node.returns is None and not name.endswith("__init__"):
            found.append(f"{name} ->")
    return found


def files_of(room):
    path = ROOT / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("room", TYPED)
def test_public_functions_have_types(room):
    files = {path.relative_to(ROOT).as_posix(): path for path in files_of(room)}
    missing = {name: missing_hints(path.read_text()) for name, path in files.items()}
    assert files and not {name: each for name, each in missing.items() if each}


def test_every_kind_of_gap_is_found():
    source = """
def whole(a: int, *b: str, c: int = 0, **d: str) -> None: ...
def no_return(a: int): ...
def open_ended(a, /, b, *c, d=0, **e) -> None: ...
async def later(a) -> None: ...
def _private(a): ...
class _Private:
    def method(self, a): ...
class Public:
    def __init__(self, a, b: int): ...
    def __len__(self): ...
    def _private(self, a): ...
    def method(self, a): ...
    @property
    def value(self): ...
    @staticmethod
    def alone(a: int, b) -> None: ...
    @classmethod
    def of(cls, a: int) -> None: ...
"""
    assert missing_hints(source) == [
        "no_return ->",
        "open_ended(a)",
        "open_ended(b)",
        "open_ended(d)",
        "open_ended(c)",
        "open_ended(e)",
        "later(a)",
        "Public.__init__(a)",
        "Public.method(a)",
        "Public.method ->",
        "Public.value ->",
        "Public.alone(b)",
    ]
