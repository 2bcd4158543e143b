"""The processes of a comparison: one server, and a worker of each side that takes orders."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from .forwards import FORWARDS

__all__ = ["Bench", "Unavailable", "Worker"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


class Unavailable(Exception):
    """A side cannot do what it is asked here."""


class Worker:
    """A process that does one thing after the other and answers with numbers."""

    def __init__(self, command, environment):
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            env=environment,
        )

    def measure(self, kind, options):
        if kind not in FORWARDS:
            return self._order(kind, options)
        job_port, id_of, program = FORWARDS[kind]
        port = self._order("open_forward", {"id": id_of(options), "port": job_port})
        try:
            return program(port, **options)
        finally:
            self._order("close_forward", {})

    def _order(self, kind, options):
        self._process.stdin.write(json.dumps({"kind": kind, "options": options}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("{}: the worker has died".format(kind))
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError("{} {}: {}".format(kind, options, answer["error"]))
        return answer["value"]

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class Bench:
    """A server and the two sides; a context manager.

    Args:
        peer: interpreter of the async SDK's environment.
        directory: scratch directory.
        tls: https and wss.
    """

    def __init__(self, peer, directory, tls=False):
        self._peer = peer
        self._directory = Path(directory)
        self._tls = tls
        self._stack = ExitStack()
        self._workers = {}
        self._environment = dict(os.environ, PYTHONPATH=str(_ROOT), PYTHONWARNINGS="ignore")
        # As pip leaves what it installs: compiled. The first round does it, and does not count.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def __enter__(self):
        command = [sys.executable, "-m", "tests.bench.server"]
        if self._tls:
            command += ["--certificate", self._make_certificate()]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, universal_newlines=True, cwd=str(_ROOT)
        )
        self._stack.callback(server.stdout.close)
        self._stack.callback(server.wait)
        self._stack.callback(server.kill)
        url = server.stdout.readline().strip()
        if not url:
            raise RuntimeError("the server did not start")
        self._environment["BENCH_API_URL"] = url
        self._environment["BENCH_CONFIG"] = str(self._directory / "config")
        self.measure("theirs", "login", {}, anew=True)
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def measure(self, side, kind, options, *, anew=False):
        """Let a side ("ours", "speed" or "theirs") do something; returns the number.

        Raises:
            Unavailable: the extra ``speed`` is not installed.
        """
        if anew:
            with self._start(side) as worker:
                return worker.measure(kind, options)
        if side not in self._workers:
            self._workers[side] = self._stack.enter_context(self._start(side))
        return self._workers[side].measure(kind, options)

    def _start(self, side):
        if side == "theirs":
            return Worker([self._peer, str(_HERE / "theirs.py")], self._environment)
        command = [sys.executable, str(_HERE / "ours.py")]
        if side == "ours":
            command.append("--without-speed")
        elif subprocess.call([sys.executable, "-c", "import orjson, websockets.speedups"]) != 0:
            raise Unavailable("the extra `speed` is not installed")
        return Worker(command, self._environment)

    def _make_certificate(self):
        import certifi
        import trustme

        authority = trustme.CA()
        certificate = self._directory / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(certificate)
        )
        # As many certificates as everybody trusts, and this one: reading them is part of the cost.
        bundle = self._directory / "trusted.pem"
        trusted = Path(certifi.where()).read_bytes() + authority.cert_pem.bytes()
        bundle.write_bytes(trusted)
        self._environment["REQUESTS_CA_BUNDLE"] = str(bundle)
        self._environment["BENCH_CA_BUNDLE"] = str(bundle)
        return str(certificate)
