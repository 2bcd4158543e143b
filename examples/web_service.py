"""A web service in a job, used through a forwarded port as if it ran here.

``python examples/web_service.py`` runs it on a local platform. A real job has its ports for itself:
there the service may simply listen on 8000.
"""

import json
import shlex
import socket
import sys
from urllib.request import Request, urlopen

from neuro_sync.local import LocalPlatform

SERVICE = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        words = self.rfile.read(int(self.headers["Content-Length"])).decode().split()
        answer = json.dumps({"words": len(words)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, text):
    with urlopen(Request(url, data=text.encode(), method="POST")) as answer:
        return json.loads(answer.read().decode())


def main():
    with LocalPlatform() as platform, platform.client() as client:
        jobs, port = client.jobs, free_port()
        job = jobs.start(
            image="python:3",
            preset_name="cpu-small",
            command="python3 -c {} {}".format(shlex.quote(SERVICE), port),
        )
        # The service says when it is ready: nothing has to be tried again and again.
        with jobs.monitor(job.id) as log:
            if "ready" not in log.lines():
                sys.exit("the service did not start: {}".format(log.job))
        with jobs.port_forward(job.id, 0, port) as forward:
            url = "http://127.0.0.1:{}/".format(forward.local_port)
            for text in ("one", "one two", "one two three"):
                print("{:<15} {}".format(text, ask(url, text)))
        jobs.kill(job.id)
        print(jobs.wait(job.id).status)


if __name__ == "__main__":
    main()
