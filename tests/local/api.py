"""The jobs API as anybody may call it: requests, and nothing of our client."""

import time

import requests

SMALL = {"image": "ubuntu", "preset_name": "cpu-small"}
FINAL = ("succeeded", "failed", "cancelled")
TIMEOUT = 30


class Api:
    """One platform's API.

    Attributes:
        url: of the API; the monitoring endpoints are below ``mon``.
        headers: what goes with each request.
    """

    def __init__(self, platform):
        self._platform = platform
        self.url = platform.api_url
        self.mon = platform.api_url + "/monitoring/jobs"
        self.headers = {"Authorization": "Bearer " + platform.token}
        self._started = []
        self._session = requests.Session()
        self._session.trust_env = False

    def another(self):
        """The same for another thread."""
        return Api(self._platform)

    def end_jobs(self):
        """Ends what was started and still runs."""
        for job_id in self._started:
            self.kill(job_id)

    def close(self):
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def call(self, method, path, **options):
        options.setdefault("headers", self.headers)
        options.setdefault("timeout", TIMEOUT)
        url = path if path.startswith("http") else self.url + path
        return self._session.request(method, url, allow_redirects=False, **options)

    def get(self, path, **options):
        """The JSON of an answer that has to be 200."""
        response = self.call("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, body, path="/jobs?from_preset"):
        response = self.call("POST", path, json=body)
        if response.status_code == 202:
            self._started.append(response.json()["id"])
        return response

    def start(self, command=None, **fields):
        """A job that has to be accepted."""
        body = {**SMALL, **fields}
        if command is not None:
            body["command"] = command
        response = self.post(body)
        assert response.status_code == 202, response.text
        return response.json()

    def job(self, id_or_name):
        return self.get("/jobs/" + id_or_name)

    def kill(self, id_or_name):
        response = self.call("DELETE", "/jobs/" + id_or_name)
        assert (response.status_code, response.content) == (204, b"")

    def wait(self, job_id, wanted=lambda job: job["status"] in FINAL):
        """The job, once it is as wanted."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            job = self.job(job_id)
            if wanted(job):
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.02)

    def wait_running(self, job_id):
        return self.wait(job_id, lambda job: job["status"] == "running")

    def run(self, command, **fields):
        """A job that has ended."""
        return self.wait(self.start(command, **fields)["id"])

    def log(self, job_id):
        """All that a job that has ended has printed."""
        response = self.call("GET", "{}/{}/log".format(self.mon, job_id))
        assert response.status_code == 200, response.text
        return response.content

    def error(self, response, status):
        """The text of an error that has this status."""
        assert response.status_code == status, response.text
        assert response.headers["Content-Type"].split(";")[0] == "application/json"
        body = response.json()
        assert list(body) == ["error"]
        return body["error"]
