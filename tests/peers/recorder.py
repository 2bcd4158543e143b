"""A server that writes down what it is asked, and answers what it is told to."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from .config import make_token

__all__ = ["Recorder"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEADERS = ("Authorization", "Accept", "Content-Type", "Sec-WebSocket-Protocol")


class Recorder:
    """A server; a context manager.

    Attributes:
        config: makes the answer of ``/config`` of the base URL and whether a token came along.
        answers: status, headers and body by method and path, the latter below the API's.
        configs: headers of the requests for the config; all others are in ``requests``.
    """

    def __init__(self, config):
        self.config = config
        self.forget()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self):
                recorder._handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = _any

            def log_message(self, *args):
                pass

        class Server(ThreadingMixIn, HTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base = "http://127.0.0.1:{}".format(self._server.server_address[1])
        self.api_url = self.base + "/api/v1"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def configured(self, config):
        """Answer with another config for a while."""
        before, self.config = self.config, config
        yield
        self.config = before

    def forget(self):
        """Answer as if nothing had been told, and forget what was asked."""
        self.requests = []
        self.configs = []
        self.answers = {}

    def take(self):
        """The requests since the last time, those for the config left out."""
        taken, self.requests = self.requests, []
        return taken

    def _handle(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        parts = urlsplit(handler.path)
        if parts.path == "/api/v1/config":
            self.configs.append(_headers(handler))
            payload = self.config(self.base, "Authorization" in handler.headers)
            self._answer(handler, 200, {}, json.dumps(payload))
            return
        self.requests.append(
            {
                "method": handler.command,
                # Which characters are quoted is a matter of taste; where a segment ends is not.
                "path": [unquote(segment) for segment in parts.path.split("/")],
                "query": sorted(parse_qsl(parts.query, keep_blank_values=True)),
                "body": _decoded(body.decode(), handler.headers.get("Content-Type", "")),
                "headers": _headers(handler),
                "websocket": handler.headers.get("Upgrade", "").lower() == "websocket",
            }
        )
        path = parts.path.replace("/api/v1", "", 1)
        found = self.answers.get((handler.command, path))
        if found is None:
            found = _default(handler, path)
        if found[0] == 101:
            self._converse(handler, found[2])
            return
        self._answer(handler, *found)

    def _answer(self, handler, status, headers, body):
        data = body.encode() if isinstance(body, str) else body
        handler.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    def _converse(self, handler, frames):
        """Accept a websocket and send frames, which are bytes as they go over the wire."""
        key = handler.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append("Sec-WebSocket-Accept: " + accept)
        protocol = handler.headers.get("Sec-WebSocket-Protocol")
        if protocol:
            lines.append("Sec-WebSocket-Protocol: " + protocol.split(",")[0])
        handler.wfile.write("\r\n".join([*lines, "", ""]).encode())
        handler.wfile.write(b"".join(frames))
        handler.wfile.flush()
        handler.close_connection = True
        handler.connection.settimeout(5)
        try:
            while handler.connection.recv(65536):
                pass
        except OSError:
            pass


def _headers(handler):
    return {name: handler.headers[name] for name in _HEADERS if name in handler.headers}


def _decoded(text, content_type):
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(text))
    return json.loads(text) if text else None


def _default(handler, path):
    """Answers that let each method go well, or refuse a websocket once its request was seen."""
    method = handler.command
    if path == "/authorize":
        query = dict(parse_qsl(urlsplit(handler.path).query))
        answer = {"code": "c-1", **({"state": query["state"]} if "state" in query else {})}
        return 302, {"Location": "{}/?{}".format(query["redirect_uri"], urlencode(answer))}, ""
    if path == "/oauth/token":
        tokens = {"access_token": make_token("bob"), "refresh_token": "r-1", "expires_in": 86400}
        return 200, {}, json.dumps(tokens)
    if handler.headers.get("Upgrade", "").lower() == "websocket":
        text = json.dumps({"error": "enough was seen"})
        return 400, {"X-Error": text}, text
    if method == "GET" and path == "/jobs":
        return 200, {"Content-Type": "application/x-ndjson"}, ""
    if path.endswith("/capacity"):
        return 200, {}, "{}"
    if method in ("DELETE", "PUT") or path.endswith("/kill"):
        return 204, {}, ""
    if path.endswith("/save"):
        return 200, {"Content-Type": "application/x-ndjson"}, json.dumps({"error": "no"}) + "\r\n"
    return (202 if method == "POST" else 200), {}, json.dumps(minimal_job())


def minimal_job(**changes):
    """A job with all that any SDK needs."""
    job = {
        "id": "job-1",
        "owner": "alice",
        "cluster_name": "default",
        "org_name": "acme",
        "project_name": "vision",
        "uri": "job://default/acme/vision/job-1",
        "status": "running",
        "statuses": [],
        "history": {
            "status": "running",
            "reason": "",
            "description": "",
            "created_at": "2026-09-14T08:00:00.104211+00:00",
            "run_time_seconds": 1.5,
            "restarts": 0,
        },
        "container": {
            "image": "ubuntu:22.04",
            "env": {},
            "volumes": [],
            "resources": {"cpu": 1.0, "memory": 1073741824, "memory_mb": 1024, "shm": True},
        },
        "scheduler_enabled": False,
        "pass_config": False,
        "total_price_credits": "0",
        "price_credits_per_hour": "0",
    }
    job.update(changes)
    return job
