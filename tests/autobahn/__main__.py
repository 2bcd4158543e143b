"""``python -m tests.autobahn``: the Autobahn test suite judges both ends of our websockets.

It needs CPython 2.7, which the suite is written for, and gets the suite with that one's pip, once,
into the directory of ``--suite``. Where there is no CPython 2.7 it says so and ends with 0.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from .client import judge_client
from .server import judge_server

SUITE = "autobahntestsuite==25.10.1"
# 9 is about speed, 12 and 13 about compression, which neither end offers.
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
FINE = ("OK", "NON-STRICT", "INFORMATIONAL")
# aiohttp, which is the server's end, takes a close frame of 1006, a code that is none of the wire's.
KNOWN = {"server": {"7.9.5"}}


def find_python():
    """A CPython 2.7, or None."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("2.7.*/bin/python2.7"))
    for candidate in (shutil.which("python2.7"), *map(str, pyenv)):
        if candidate and subprocess.call([candidate, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return candidate
    return None


def install(python, directory):
    """Returns whether the suite is there now."""
    if (directory / "autobahntestsuite").is_dir():
        return True
    command = [python, "-m", "pip", "install", "--quiet", "--target", str(directory), SUITE]
    if subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        return False
    # A namespace package that a directory of --target does not make one of.
    (directory / "zope" / "__init__.py").touch()
    return True


def tell(who, index):
    """Print what the suite found; returns whether all of it is fine."""
    behaviours = Counter()
    bad = []
    known = KNOWN.get(who, ())
    for cases in index.values():
        for case, verdict in cases.items():
            for what in ("behavior", "behaviorClose"):
                if verdict[what] not in FINE and case not in known:
                    bad.append("{} {}: {}".format(case, what, verdict[what]))
            behaviours[verdict["behavior"]] += 1
    counts = ", ".join("{} {}".format(count, name) for name, count in sorted(behaviours.items()))
    print("{}: {} cases: {}".format(who, sum(behaviours.values()), counts))
    for line in bad:
        print("  " + line)
    return bool(behaviours) and not bad


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.autobahn", description=__doc__)
    parser.add_argument("--suite", type=Path, help="directory of the suite; filled where empty")
    parser.add_argument("--cases", nargs="+", default=CASES, help="patterns of cases")
    arguments = parser.parse_args()
    python = find_python()
    if python is None:
        print("NOT CHECKED: there is no CPython 2.7 here, which the Autobahn test suite needs")
        return 0
    with tempfile.TemporaryDirectory(prefix="autobahn-") as work:
        suite = (arguments.suite or Path(work) / "suite").absolute()
        if not install(python, suite):
            print("NOT CHECKED: pip of {} can't install {}".format(python, SUITE))
            return 0
        fine = []
        for who, judge in (("client", judge_client), ("server", judge_server)):
            reports = Path(work) / who
            reports.mkdir()
            judge(python, suite, arguments.cases, reports)
            fine.append(tell(who, json.loads((reports / "index.json").read_text())))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
