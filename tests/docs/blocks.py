"""The code blocks of a page, and how to run each kind."""

import doctest
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Block", "Runner", "blocks", "literal_blocks", "shell_environment"]

ROOT = Path(__file__).resolve().parents[2]
# What a reader looks at and does not run.
_SHOWN_ONLY = {"text", "toml"}
_DIRECTIVE = re.compile(r"^( *)\.\. code-block:: *(\w*)$")
_OPTION = re.compile(r"^ *:(\w+): *(.*)$")
# Commands that go on until Ctrl-C.
_ENDLESS = re.compile(r"^python -m neuro_sync(\.local| local| port-forward| top)\b")
_PATIENCE = 60


class Block(NamedTuple):
    language: str
    options: dict
    code: str
    line: int  # of its first line of code, from 1


def blocks(path):
    """The code blocks of a page, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    number = 0
    while number < len(lines):
        directive = _DIRECTIVE.match(lines[number])
        number += 1
        if directive is None:
            continue
        indent, options = len(directive.group(1)), {}
        while number < len(lines) and _OPTION.match(lines[number]):
            option = _OPTION.match(lines[number])
            options[option.group(1)] = option.group(2)
            number += 1
        while not lines[number].strip():
            number += 1
        first = number
        while number < len(lines) and (
            not lines[number].strip() or _indent(lines[number]) > indent
        ):
            number += 1
        body = lines[first:number]
        margin = min(_indent(line) for line in body if line.strip())
        code = "\n".join(line[margin:] for line in body).rstrip() + "\n"
        found.append(Block(directive.group(2), options, code, first + 1))
    return found


def literal_blocks(path):
    """Numbers of the lines that begin a block without a language: nothing could run it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        number
        for number, line in enumerate(lines, 1)
        if line.endswith("::") and not line.lstrip().startswith("..")
    ]


def _indent(line):
    return len(line) - len(line.lstrip(" "))


class Runner:
    """Runs the blocks of one page, one after the other, as a reader would who follows it.

    Python blocks share their names. A ``text`` block with the class ``output`` is what the block
    before it has to print, with ``...`` for anything.
    """

    def __init__(self, path, environment, capsys):
        self._path = path
        self._environment = environment
        self._capsys = capsys
        self._names = {"__name__": "__main__", "__file__": str(path)}
        self._printed = ""

    def run(self, block):
        where = "{}:{}".format(self._path.name, block.line)
        if block.language == "python":
            # The empty lines let a traceback name the line of the page.
            code = compile("\n" * (block.line - 1) + block.code, str(self._path), "exec")
            exec(code, self._names)
            self._printed = self._capsys.readouterr().out
        elif block.language == "pycon":
            self._doctest(block, where)
        elif block.language == "sh":
            self._printed = "".join(self._shell(line) for line in _commands(block.code))
        elif block.options.get("class") == "output":
            self._compare(block.code, where)
        else:
            assert block.language in _SHOWN_ONLY, where

    def _compare(self, expected, where):
        printed = "\n".join(line.rstrip() for line in self._printed.splitlines()) + "\n"
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(expected, printed, flags), (
            "{}: the page says\n{}\nbut it prints\n{}".format(where, expected, printed)
        )

    def _doctest(self, block, where):
        parser = doctest.DocTestParser()
        test = parser.get_doctest(block.code, self._names, where, str(self._path), block.line - 1)
        told = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=told.append, clear_globs=False)
        self._names.update(test.globs)
        assert not told, "".join(told)

    def _shell(self, line):
        if line.startswith("pip install"):
            _check_extras(line)
            return ""
        if line.startswith("python -m tests."):
            _check_module(line.split()[2])
            return ""
        if _ENDLESS.match(line):
            return self._until_interrupted(line)
        result = subprocess.run(
            ["sh", "-ec", line],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=_PATIENCE,
        )
        assert result.returncode == 0, "{}\n{}\n{}".format(line, result.stdout, result.stderr)
        return result.stdout

    def _until_interrupted(self, line):
        """Start a command, wait for what it shows first, press Ctrl-C."""
        process = subprocess.Popen(
            ["sh", "-c", "exec " + line],
            env=self._environment,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        with process:
            shown = process.stdout.readline()
            assert shown, line
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            assert process.wait(_PATIENCE) in (0, 130), line
        return shown + rest


def _commands(code):
    """The commands of a shell block: a line each, comments left out."""
    joined = code.replace("\\\n", " ")
    lines = [re.sub(r"\s+#.*$", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _check_extras(line):
    """``pip install`` is run by .ci/run; here only its extras have to be ours."""
    settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    extras = settings.split("[options.extras_require]")[1].split("\n[")[0]
    for names in re.findall(r"\[([\w,]+)\]", line):
        for name in names.split(","):
            assert re.search("^{} =".format(name), extras, re.MULTILINE), name


def _check_module(name):
    """Benchmarks take minutes and are run by .ci/run; here they have to be there."""
    path = ROOT.joinpath(*name.split("."))
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


def shell_environment(platform_config):
    """Where ``python`` is the one that runs the tests, logged in to a local platform."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return dict(os.environ, PATH=path, APOLO_CONFIG=str(platform_config), PYTHONUNBUFFERED="1")
