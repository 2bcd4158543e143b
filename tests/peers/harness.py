"""Does the same with a peer's SDK and with ours, against one server."""

import json
import os
import socket
import subprocess
import urllib.request
import warnings
from contextlib import contextmanager
from pathlib import Path

import neuro_sync
from neuro_sync import JobsClient, RetryPolicy, Timeout

from .environments import peer_python
from .values import build, describe, error

__all__ = ["Both"]


class Both:
    """A peer and us, at the same server.

    Args:
        name: of the peer.
        recorder: the server, where it is one that writes down what it is asked.
    """

    def __init__(self, name, api_url, token, directory, recorder=None):
        self.name = name
        self.recorder = recorder
        self._process = subprocess.Popen(
            [
                peer_python(name),
                str(Path(__file__).with_name("driver.py")),
                api_url,
                token,
                str(directory),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What a peer says of its own dependencies is not for us.
            env=dict(os.environ, PYTHONWARNINGS="ignore"),
        )
        # Until then the server has to be as it is for everybody.
        assert self._process.stdout.readline() == b"ready\n", "{} can't log in".format(name)
        self.ours = JobsClient(
            api_url, token, timeout=Timeout(5, 20), retry=RetryPolicy(attempts=1)
        )
        self.comparisons = 0

    def close(self):
        self.ours.close()
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _requests(self):
        return [] if self.recorder is None else self.recorder.take()

    def peer(self, order):
        """What the peer makes of an order: its result, and the requests that it sent."""
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "{} died of {}".format(self.name, order)
        return json.loads(line.decode()), self._requests()

    def us(self, order):
        """The same with us."""
        try:
            result = {"result": describe(self._call(order), order.get("fields", {}))}
        except Exception as exception:
            result = error(exception)
        return result, self._requests()

    def _call(self, order):
        if order["method"] == "factory":
            with _in_directory(order.get("cwd", "/")):
                return _log_in(order)
        arguments = build(order.get("arguments", {}), neuro_sync, self.ours.parse)
        method = order["method"]
        if order.get("on") == "parse":
            return getattr(self.ours.parse, method)(**arguments)
        if method == "port_forward":
            with self.ours.port_forward(local_port=0, **arguments) as forward:
                return _received(forward.local_port)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            result = getattr(self.ours, method)(**arguments)
        if order.get("talk"):
            return _talk(result)
        if not hasattr(result, "__enter__"):
            return result
        with result as entered:
            if not hasattr(entered, "__iter__"):
                return None
            items = []
            for item in entered:
                items.append(item)
                if len(items) == order.get("limit"):
                    break
            return items


def _received(port):
    """All that comes over a connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        try:
            while True:
                data = connection.recv(65536)
                if not data:
                    return received
                received += data
        except ConnectionError:
            return received


def _talk(stream):
    """Read the output of a command to its end."""
    messages = []
    with stream:
        while True:
            try:
                message = stream.read_out()
            except neuro_sync.StdStreamError as error:
                return {"messages": messages, "exit_code": error.exit_code}
            if message is None:
                return {"messages": messages, "exit_code": stream.exit_code}
            messages.append([message.fileno, message.data])


@contextmanager
def _in_directory(path):
    before = os.getcwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def _browse(page):
    """What a browser does with the page of a platform that lets everybody in."""
    with urllib.request.urlopen(str(page), timeout=20) as response:
        response.read()


def _log_in(order):
    """Use the login of a directory: ``do`` says how."""
    factory = neuro_sync.Factory(order["path"])
    do, url = order["do"], order.get("url", "")
    if do == "login":
        factory.login(_browse, url=url)
    elif do == "login_with_token":
        factory.login_with_token(order["token"], url=url)
    elif do == "login_with_passed_config":
        factory.login_with_passed_config(order["passed"])
    elif do == "logout":
        factory.logout()
    else:
        with factory.get(retry=RetryPolicy(attempts=1)) as client:
            if do == "config":
                return {name: getattr(client.config, name) for name in order["names"]}
            if do == "start":
                return client.jobs.start(**build(order["arguments"], neuro_sync, client.parse)).id
            if do != "look":
                getattr(client.config, do)(*order.get("names", ()))
            return _look(client)
    return factory.is_config_present


def _look(client):
    """What is current, and whether the platform accepts the token."""
    config = client.config
    names = ("username", "cluster_name", "org_name", "project_name")
    seen = {name: getattr(config, name) for name in names}
    for _ in client.jobs.list(limit=1):
        pass
    return dict(seen, token=config.token(), clusters=sorted(config.clusters))
