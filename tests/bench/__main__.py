"""The benchmark against the async SDK: ``python -m tests.bench``; see ``--help``."""

import argparse
import sys
import tempfile
from pathlib import Path

import pytest

from ..peers.environments import peer_python
from .comparison import compare
from .growth import CURVES, draw
from .report import HEADER, comparison, heading, table, write_csv
from .scenarios import SCENARIOS
from .sides import Bench

_PEER = "apolo-26.9.0"


def draw_growth(peer, arguments):
    for curve in CURVES:
        if arguments.names and curve.name not in arguments.names:
            continue
        with tempfile.TemporaryDirectory() as directory, Bench(peer, directory) as bench:
            picture = draw(bench, curve, arguments.rounds)
        path = Path(arguments.growth) / (curve.name + ".svg")
        path.write_text(picture)
        print(path, flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of scenarios; all by default")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each side")
    parser.add_argument("--plain", action="store_true", help="without TLS only")
    parser.add_argument("--tls", action="store_true", help="with TLS only")
    parser.add_argument(
        "--short",
        action="store_true",
        help="the guard: little of everything, and failure where a ratio is under 0.7 of what it has to be",
    )
    parser.add_argument("--write", metavar="DIRECTORY", help="write the tables as CSV files, too")
    parser.add_argument("--growth", metavar="DIRECTORY", help="draw how cost grows, as SVG files")
    parser.add_argument("--peer", help="interpreter of the async SDK's environment")
    arguments = parser.parse_args()

    chosen = [
        scenario
        for scenario in SCENARIOS
        if not arguments.names or any(name in scenario.name for name in arguments.names)
    ]
    if arguments.list:
        print("\n".join(scenario.name for scenario in chosen))
        return 0
    try:
        peer = arguments.peer or peer_python(_PEER)
    except pytest.skip.Exception as reason:
        print("NOT MEASURED: {}".format(reason))
        return 0
    ways = (
        [False]
        if arguments.plain or arguments.short
        else [True]
        if arguments.tls
        else [False, True]
    )
    if arguments.growth:
        return draw_growth(peer, arguments)
    rounds = 3 if arguments.short else arguments.rounds
    print(heading(_PEER))
    regressed = []
    for tls in ways:
        rows = []
        with tempfile.TemporaryDirectory() as directory, Bench(peer, directory, tls) as bench:
            for scenario in chosen:
                if sys.stderr.isatty():
                    print("\r\033[K" + scenario.name, end="", file=sys.stderr, flush=True)
                row = compare(bench, scenario, rounds, arguments.short)
                if arguments.short and row.regressed:  # or it was only noise
                    row = row.better(compare(bench, scenario, 2 * rounds, short=True))
                rows.append(row)
        cells = comparison(rows)
        title = "https, wss" if tls else "http, ws"
        print("\n{}\n\n{}".format(title, table(HEADER, cells)), flush=True)
        if arguments.write:
            write_csv(HEADER, cells, Path(arguments.write) / ("tls.csv" if tls else "plain.csv"))
        regressed += [row for row in rows if row.regressed]
    if not arguments.short:
        return 0
    for row in regressed:
        print("{}: {:.2f} is under {:.2f}".format(row.scenario.name, row.ratio, row.floor))
    return 1 if regressed else 0


if __name__ == "__main__":
    sys.exit(main())
