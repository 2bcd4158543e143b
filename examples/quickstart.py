"""The whole life of a job, on a platform of its own: ``python examples/quickstart.py``.

Starts a local platform, and on it a job that serves HTTP and prints. Follows the job's log live while it
runs a command in it, shows what it uses, fetches a page through a forwarded port, kills it, and
shows how it ended. Needs no account and no network.
"""

import shlex
import sys
import threading
from urllib.request import urlopen

from neuro_sync import JobStatus
from neuro_sync.local import LocalPlatform

SERVER = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = os.environ["GREETING"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
        print("served", self.path, "to", self.client_address[0], flush=True)

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open("port", "w") as file:
    file.write(str(server.server_address[1]))
print("serving on port", server.server_address[1], flush=True)
server.serve_forever()
"""


def say(what, text=""):
    colour, end = ("\033[1;36m", "\033[0m") if sys.stdout.isatty() else ("", "")
    # One write for a line and its end: two threads print.
    print("{}{:>10}{} {}\n".format(colour, what, end, text), end="", flush=True)


def follow(log, served):
    for line in log.lines():
        say("log", line)
        if line.startswith("served"):
            served.set()


def main():
    with LocalPlatform() as platform, platform.client() as client:
        jobs = client.jobs
        say("platform", platform.api_url)
        say("presets", ", ".join(sorted(client.presets)))

        job = jobs.start(
            image="python:3",
            preset_name="cpu-small",
            name="quickstart",
            command="python3 -c {}".format(shlex.quote(SERVER)),
            env={"GREETING": "Hello from the job!"},
        )
        say("started", "{} ({})".format(job.id, job.status.value))
        job = jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
        say("running", "since {:%H:%M:%S} UTC".format(job.history.started_at))

        served = threading.Event()
        with jobs.monitor(job.id) as log:
            follower = threading.Thread(target=follow, args=(log, served))
            follower.start()

            port = int(
                jobs.exec_run(
                    job.id, "sh -c 'while ! test -s port; do sleep 0.1; done; cat port'", timeout=30
                ).stdout
            )
            result = jobs.exec_run(job.id, "wc -c", input=b"twelve bytes", check=True)
            say("exec", "wc -c says {}".format(result.stdout.decode().strip()))

            with jobs.top(job.id) as samples:
                sample = next(iter(samples))
                say("telemetry", "cpu {:.2f}, memory {:.1f} MiB".format(sample.cpu, sample.memory))

            with jobs.port_forward(job.id, 0, port) as forward:
                say("forward", "127.0.0.1:{} to port {}".format(forward.local_port, port))
                with urlopen("http://127.0.0.1:{}/".format(forward.local_port)) as answer:
                    say("page", answer.read().decode())
            served.wait(30)

            jobs.kill(job.id)
            job = jobs.wait(job.id, timeout=30)
            follower.join()
        say("ended", "{} ({})".format(job.status.value, job.history.reason))


if __name__ == "__main__":
    main()
