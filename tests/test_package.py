"""The package as a whole: its public names, its layers, what it loads, what it ships."""

import ast
import configparser
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neuro_sync

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "neuro_sync"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 450

# From the bottom to the top: a module imports from its own layer and from those above it in this list.
LAYERS = [
    ("errors", "ported", "_version"),
    ("wire",),
    ("models", "display"),
    ("transport",),
    ("streams",),
    ("config", "parse", "screenmodes", "terminal", "progress"),
    ("jobs",),
    ("client",),
    ("cli", "local", "__main__"),
]
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# The embedded platform is a peer of the client and shares with it what is on the wire, nothing else.
LOCAL_MAY_IMPORT = {"_version", "errors", "wire", "models", "local"}
# Imports in a function that have to go upwards, and why.
UPWARDS = {
    ("config/factory.py", "client"): "Factory.get() returns a client",
    ("local/platform.py", "client"): "LocalPlatform.client() returns a client",
}
# What costs more to load than all of this package's own modules that most scripts touch.
HEAVY = {
    "aiohttp", "asyncio", "certifi", "dataclasses_json", "email", "http", "marshmallow", "requests", "sqlite3",
    "ssl", "tenacity", "urllib3", "websocket", "yarl",
}  # fmt: skip


def _shown(path):
    return path.relative_to(PACKAGE).as_posix()


class _Imports(ast.NodeVisitor):
    """Absolute names of what a module imports when it runs, with whether that is inside a function."""

    def __init__(self, path):
        relative = path.relative_to(PACKAGE).with_suffix("").parts
        self._package = ("neuro_sync", *relative[:-1])
        self._depth = 0
        self.found = []

    def visit_If(self, node):
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node):
        self.found += [(alias.name, self._depth > 0) for alias in node.names]

    def visit_ImportFrom(self, node):
        names = node.module.split(".") if node.module else []
        above = len(self._package) - node.level + 1
        base = [*self._package[:above], *names] if node.level else names
        if base == ["neuro_sync"]:
            self.found += [("neuro_sync." + alias.name, self._depth > 0) for alias in node.names]
        else:
            self.found.append((".".join(base), self._depth > 0))


def _imports(path):
    visitor = _Imports(path)
    visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
    return visitor.found


def _of_ours(path):
    """Layers that a module imports from."""
    for name, lazy in _imports(path):
        parts = name.split(".")
        if parts[0] == "neuro_sync" and len(parts) > 1:
            yield parts[1], lazy


def _layer(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_the_public_names_are_sorted_and_there():
    names = list(neuro_sync.__all__)
    constants = [name for name in names if name.isupper()]
    classes = [name for name in names if name[0].isupper() and not name.isupper()]
    rest = [name for name in names if not name[0].isupper()]
    assert names == sorted(constants) + sorted(classes) + sorted(rest)
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(neuro_sync, name)] == []
    assert set(names) <= set(dir(neuro_sync))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Jobs'"):
        neuro_sync.Jobs  # noqa: B018


def test_a_type_checker_knows_the_public_names_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    mypy = pytest.importorskip("mypy.api", reason="a type checker is needed")
    code = "import neuro_sync\n" + "".join(
        "neuro_sync.{}\n".format(name) for name in [*neuro_sync.__all__, "Jobs"]
    )
    (tmp_path / "user.py").write_text(code)
    options = ["--config-file=", "--cache-dir", str(tmp_path), "--follow-imports=silent"]
    told, _, _ = mypy.run([*options, str(tmp_path / "user.py")])
    assert told.count("error:") == 1
    assert 'Module has no attribute "Jobs"' in told


@pytest.mark.parametrize("path", SOURCES, ids=_shown)
def test_a_module_names_what_it_exports(path):
    if path.name == "__main__.py":
        return
    name = ".".join(("neuro_sync", *path.relative_to(PACKAGE).with_suffix("").parts))
    if "local" in name:
        pytest.importorskip("aiohttp", reason="the extra 'local' is not installed")
    module = importlib.import_module(
        name[: -len(".__init__")] if name.endswith("__init__") else name
    )
    exported = getattr(module, "__all__", [])
    assert [item for item in exported if not hasattr(module, item)] == []


def test_imports_point_downwards_only():
    wrong = []
    for path in SOURCES:
        layer = _layer(path)
        if layer in ("__init__", "local"):
            continue
        for imported, lazy in _of_ours(path):
            if lazy and (_shown(path), imported) in UPWARDS:
                continue
            if imported not in RANKS or RANKS[imported] > RANKS[layer]:
                wrong.append("{} imports {}".format(_shown(path), imported))
    assert wrong == []


def test_each_import_that_points_upwards_is_still_one():
    found = {(_shown(path), name) for path in SOURCES for name, lazy in _of_ours(path) if lazy}
    assert set(UPWARDS) <= found


def test_the_embedded_platform_shares_only_the_wire_with_the_client():
    wrong = [
        "{} imports {}".format(_shown(path), imported)
        for path in SOURCES
        if _layer(path) == "local"
        for imported, lazy in _of_ours(path)
        if imported not in LOCAL_MAY_IMPORT and (_shown(path), imported) not in UPWARDS
    ]
    assert wrong == []


def test_what_is_pure_touches_no_socket_no_thread_and_no_clock():
    forbidden = {"asyncio", "random", "requests", "selectors", "socket", "ssl", "threading", "time"}
    wrong = [
        "{} imports {}".format(_shown(path), name)
        for path in SOURCES
        if _layer(path) in ("wire", "models", "errors")
        for name, _ in _imports(path)
        if name.split(".")[0] in forbidden
    ]
    assert wrong == []


def test_there_is_no_event_loop_outside_the_embedded_platform():
    users = {
        _layer(path)
        for path in SOURCES
        for name, _ in _imports(path)
        if name.split(".")[0] in ("asyncio", "aiohttp")
    }
    assert users <= {"local"}


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys; old = set(sys.modules); import neuro_sync; print(*set(sys.modules) - old)"
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, cwd=str(ROOT))
    loaded = {name.split(".")[0] for name in printed.decode().split()}
    assert "neuro_sync" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("path", SOURCES, ids=_shown)
def test_a_module_can_be_read_in_one_sitting(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_MODULE
    if text.strip():
        assert ast.get_docstring(ast.parse(text))


def test_each_directory_of_the_package_is_a_package():
    directories = {path.parent for path in SOURCES}
    assert [str(d) for d in directories if not (d / "__init__.py").is_file()] == []


def test_the_marker_of_typed_packages_is_shipped(tmp_path):
    pytest.importorskip("setuptools", reason="only an environment with setuptools can build")
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=str(ROOT), check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    built = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert "neuro_sync/py.typed" in built
    assert {"neuro_sync/" + _shown(path) for path in SOURCES} <= built
    assert [name for name in built if not name.startswith("neuro_sync/")] == []


def test_the_version_is_the_same_everywhere():
    if sys.version_info >= (3, 8):
        from importlib.metadata import version
    else:
        from importlib_metadata import version
    from neuro_sync.transport.http import USER_AGENT

    assert version("neuro_sync") == neuro_sync.__version__
    assert USER_AGENT.startswith("neuro_sync/{} ".format(neuro_sync.__version__))
    changes = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    newest = re.search(r"^(\d\S*)( \(.*\))?\n-+$", changes, re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == neuro_sync.__version__


def test_the_lowest_pins_are_the_lower_bounds():
    setup = configparser.ConfigParser()
    setup.read(str(ROOT / "setup.cfg"), encoding="utf-8")
    extras = setup["options.extras_require"]
    texts = [setup["options"]["install_requires"], extras["local"], extras["test"]]
    bounds = dict(re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join(texts), re.MULTILINE))
    pins = dict(
        line.split("==")
        for line in (ROOT / ".ci" / "lowest.txt").read_text().splitlines()
        if "==" in line
    )
    assert set(bounds) <= set(pins)
    shortened = {name: re.sub(r"(\.0)+$", "", pins[name]) for name in bounds}
    lower = {name: re.sub(r"(\.0)+$", "", bound) for name, bound in bounds.items()}
    # A bound may leave the last part open: 2.25 is met first by 2.25.1 where 2.25.0 is not to be had.
    for name, bound in lower.items():
        assert shortened[name] == bound or shortened[name].startswith(bound + "."), name


PUBLIC_CLASSES = [name for name in neuro_sync.__all__ if inspect.isclass(getattr(neuro_sync, name))]


@pytest.mark.parametrize("name", PUBLIC_CLASSES)
def test_a_public_class_and_its_methods_are_described(name):
    cls = getattr(neuro_sync, name)
    # A dataclass without a docstring gets its signature for one.
    assert cls.__doc__
    assert not cls.__doc__.startswith(name + "(")
    undescribed = [
        method
        for method, value in vars(cls).items()
        if not method.startswith("_") and inspect.isfunction(value) and not inspect.getdoc(value)
    ]
    assert undescribed == []


NO_ENDPOINT = {"close"}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, _ in inspect.getmembers(neuro_sync.JobsClient, inspect.isfunction)
        if not name.startswith("_") and name not in NO_ENDPOINT
    ],
)
def test_a_call_says_its_endpoint_and_its_errors(name):
    text = inspect.getdoc(getattr(neuro_sync.JobsClient, name))
    assert "Endpoint" in text
    if name not in ("get_capacity", "run"):
        assert "Raises:" in text
