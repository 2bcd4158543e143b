"""The platform's own CLIs do with the local platform what they do with the platform."""

import re
import shlex
import shutil
import sqlite3
import stat
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest

import neuro_sync
from neuro_sync import JobPriority, JobRestartPolicy, JobStatus

from .commands import CLIS, Cli, free_port, page, until

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)


@pytest.fixture(scope="module")
def ended(cli, platform):
    """A job of another project that has ended."""
    job = cli.start("true", options=["--project", "user"])
    with platform.client() as client:
        client.jobs.wait(job, timeout=30)
    return job


class TestLogin:
    @pytest.mark.parametrize("name", sorted(CLIS))
    def test_in_the_browser_and_out(self, name, tmp_path, platform):
        cli = Cli(name, tmp_path)
        cli("config", "login", platform.api_url)
        cli("config", "switch-project", "user")
        path = tmp_path / ".apolo"
        with closing(sqlite3.connect(str(path / "db"))) as db, db:
            (old,) = db.execute("SELECT token FROM main").fetchone()
            db.execute("UPDATE main SET expiration_time = 1")  # the time passes
        with neuro_sync.get(path=path) as client:
            assert client.username == "user"
            assert client.config.project_name == "user"
            client.config.switch_project("local-project")
            token = client.config.token()
        assert token != old
        assert "local-project" in cli("config", "show")
        assert cli("config", "show-token").strip() == token
        cli("config", "logout")
        assert not (tmp_path / ".apolo" / "db").exists()

    @pytest.mark.parametrize("name", sorted(CLIS))
    def test_with_a_code_that_is_pasted(self, name, tmp_path, platform):
        def code(shown):
            page = re.search(rb"Open(.*)in a browser", shown, re.S).group(1)
            url = re.sub(rb"\s", b"", page).decode()  # the terminal wraps it
            with urllib.request.urlopen(url, timeout=20) as response:
                return parse_qs(urlsplit(response.geturl()).query)["code"][0].encode() + b"\r"

        cli = Cli(name, tmp_path)
        returned, shown = cli.at_a_terminal(
            ["config", "login-headless", platform.api_url], [(b"->", code)]
        )
        assert returned == 0, shown
        assert "local-org" in cli("config", "show")

    @pytest.mark.parametrize("name", sorted(CLIS))
    def test_with_a_wrong_token(self, name, tmp_path, platform):
        code, text = Cli(name, tmp_path).run(
            "config", "login-with-token", "e30.e30.e30", platform.api_url
        )
        assert code != 0
        assert "authoriz" in text.lower()


def test_config_and_capacity(cli, jobs):
    text = cli("config", "show")
    for preset, number in jobs.get_capacity().items():
        assert re.search(r"{} .* {} +\d".format(preset, number), text)
    for name in ("local-org", "local-project", "cpu-small"):
        assert name in text
    assert "cpu-large" in cli("config", "get-clusters")


def test_who_logged_in_with_the_cli_is_in(cli, monkeypatch):
    monkeypatch.setenv("HOME", str(cli.home))
    for name in ("APOLO_CONFIG", "NEUROMATION_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with neuro_sync.get() as client:
        assert client.username == "user"
        assert client.config.path == cli.home / ".apolo"
        job = client.jobs.start_and_wait(image="ubuntu", preset_name="cpu-small", command="true")
    assert job.status is JobStatus.SUCCEEDED
    assert job.id in cli("-q", "job", "ls", "-s", "succeeded")


class TestListing:
    # Filters of a listing, and whether a running job and one of another project pass them.
    FILTERS = {
        "": (True, False),
        "-a --project user": (False, True),
        "-a --all-projects --all-orgs --recent-first --distinct": (True, True),
        "-s running -s pending --name cli-running --tag a --tag b --owner user --owner other "
        "--description text --since 1h --until 2090-01-01T00:00:00 --org local-org "
        "--cluster local --project user --project local-project": (True, False),
        "-s pending -s failed": (False, False),
        "-a --name cli": (False, False),
        "-a --tag a --tag c": (False, False),
        "-a --owner other": (False, False),
        "-s suspended -s cancelled --owner ME --recent-last": (False, False),
        "-a --description other": (False, False),
        "-a --since 2090-01-01": (False, False),
        "-a --until 1h": (False, False),
    }

    def test_every_filter(self, cli, running, ended):
        with ThreadPoolExecutor(3) as pool:
            texts = pool.map(
                lambda words: cli("-q", "job", "ls", *words.split()).split(), self.FILTERS
            )
            found = {
                words: (running in ids, ended in ids) for words, ids in zip(self.FILTERS, texts)
            }
        assert found == self.FILTERS

    def test_every_column(self, cli, running):
        columns = "id name tags status when created started finished image owner description"
        columns += " cluster_name org_name project_name command life_span workdir preset"
        text = cli("job", "ls", "--wide", "--name", "cli-running", "--format", columns)
        for shown in (running, "cli-running", "a,b", "running", "ubuntu:latest", "text"):
            assert shown in text
        for shown in ("local-org", "local-project", "sleep 600", "1h", "cpu-small"):
            assert shown in text


def test_the_image_of_the_current_project_in_short_and_in_full(cli, jobs):
    job = cli.start("true", options=["--name", "cli-image"], image="image:own:v1")
    jobs.wait(job, timeout=30)
    short, full = "image:own:v1", "image://local/local-org/local-project/own:v1"
    words = "ps -a --name cli-image --format {image;width=60}".split()
    for command in (words, ["status", job]):
        assert short in cli(*command)
        assert full in cli(*command, "--full-uri")


class TestRun:
    def test_the_exit_code_of_a_job(self, cli):
        text = cli(*"job run --preset cpu-small ubuntu -- sh -c".split(), "sleep 1; exit 4", code=4)
        assert "failed" in text
        # And of one that is attached to when it has ended.
        text = cli("job", "attach", re.search("job-[0-9a-f-]{36}", text).group(), code=4)
        assert "failed" in text

    def test_a_job_that_restarts_until_it_succeeds(self, cli, jobs):
        script = "test -e was && exit 0; touch was; exit 1"
        options = "--restart on-failure --name cli-restart".split()
        text = cli(
            "job", "run", "--preset", "cpu-small", *options, "ubuntu", "--", "sh", "-c", script
        )
        # Of one that has ended before it looks, the CLI does not say how: its exit code does.
        ended = jobs.status(re.search("job-[0-9a-f-]{36}", text).group())
        assert ended.status is JobStatus.SUCCEEDED
        assert ended.history.restarts == 1

    def test_every_option_that_can_be_honoured(self, cli, jobs):
        (cli.home / "env").write_text("# these\nFROM=file\n\n")
        job = cli.start(
            "'echo $ONE $FROM $EMPTY.; pwd'",
            options=shlex.split(
                "--http-port 8080 --no-http-auth --life-span 1h --description 'a text' --tag a --tag b "
                "--schedule-timeout 5m --priority high --pass-config --env ONE=1 --env EMPTY= "
                "--env-file env --entrypoint 'sh -c' --extshm --wait-for-seat --privileged "
                "--restart never --no-tty --project user --org local-org --cluster local "
                "--name cli-options"
            ),
        )
        ended = jobs.wait(job, timeout=30)
        assert ended.status is JobStatus.SUCCEEDED
        assert jobs.monitor(job).read().startswith(b"1 file .\n")
        assert (ended.name, ended.description, ended.tags) == ("cli-options", "a text", ("a", "b"))
        assert (ended.life_span, ended.schedule_timeout) == (3600, 300)
        assert ended.priority is JobPriority.HIGH
        assert ended.restart_policy is JobRestartPolicy.NEVER
        assert ended.pass_config
        assert ended.privileged
        assert ended.project_name == "user"
        container = ended.container
        assert (container.http.port, container.http.requires_auth) == (8080, False)
        assert (container.entrypoint, container.resources.shm, container.tty) == (
            "sh -c",
            True,
            False,
        )

    def test_the_other_side_of_every_switch(self, cli, jobs):
        options = "--http-port 8080 --http-auth --no-extshm --no-pass-config --no-wait-for-seat"
        options += " --priority low --restart always --life-span 0 --no-wait-start"
        job = cli.start("false", options=options.split())
        try:
            assert until(lambda: jobs.status(job).history.restarts)
        finally:
            jobs.kill(job)
        status = jobs.status(job)
        assert status.container.http.requires_auth
        assert not status.pass_config
        assert status.priority is JobPriority.LOW
        assert status.restart_policy is JobRestartPolicy.ALWAYS
        assert not status.life_span

    def test_its_page_is_opened_in_a_browser(self, cli, jobs, monkeypatch):
        browser = cli.home / "note"
        browser.write_text('#!/bin/sh\necho "$1" >> pages\n')
        browser.chmod(stat.S_IRWXU)
        monkeypatch.setitem(cli.env, "BROWSER", "{} %s".format(browser))
        port = free_port()
        options = "--name cli-page --browse --http-port {}".format(port).split()
        command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
        job = cli.start(*command, options=options)
        try:
            assert "Browsing job" in cli("job", "browse", "cli-page")
            pages = (cli.home / "pages").read_text().splitlines()
            assert pages == [str(jobs.status(job).http_url)] * 2
            assert until(lambda: page(pages[0])) == 200
        finally:
            jobs.kill(job)

    @needs_bubblewrap
    def test_what_is_mounted(self, cli, jobs, platform):
        secrets = platform.data_dir / "secrets" / "local-org" / "local-project"
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / "cli-key").write_text("hidden")
        script = "echo data > /data/file; pwd; cat /keys/key; echo .$KEY; touch /disk/x; touch /ro/x; exit 0"
        job = cli.start(
            "sh",
            "-c",
            script,
            options=shlex.split(
                "-v storage:cli:/data:rw -v storage:cli:/ro:ro -v secret:cli-key:/keys/key "
                "-v disk:disk-0123abcd-0123-0123-0123-0123456789ab:/disk:rw -e KEY=secret:cli-key "
                "--workdir /data"
            ),
        )
        jobs.wait(job, timeout=30)
        text = jobs.monitor(job).read().decode()
        assert "/data\nhidden.hidden\n" in text
        assert "Read-only" in text
        stored = platform.data_dir / "storage" / "local-org" / "local-project" / "cli" / "file"
        assert stored.read_text() == "data\n"

    def test_what_the_platform_refuses(self, cli):
        code, text = cli.run(
            "job", "run", "--preset", "cpu-small", "--energy-schedule", "x", "ubuntu"
        )
        assert code != 0
        assert "Energy schedule 'x' not found" in text

    def test_what_this_machine_does_not_have(self, cli):
        words = "job run --preset cpu-small -e KEY=secret:nothing ubuntu -- true".split()
        secret = "secret://local/local-org/local-project/nothing"
        text = cli(*words, code=125)
        assert "ContainerCannotRun (there is no {}: it would be the file".format(secret) in text

    def test_whom_a_job_cannot_be_shared_with(self, cli):
        code, text = cli.run(
            *"job run --preset cpu-small --detach --share somebody ubuntu -- true".split()
        )
        assert code != 0
        assert "cannot share with 'somebody': this platform has no users but 'user'" in text


class TestJob:
    def test_its_status_and_life_span(self, cli, jobs, running):
        for id in (running, "cli-running"):
            text = cli("job", "status", id)
            for shown in (running, "cli-running", "running", "text", "a, b"):
                assert shown in text
        command = {"apolo": "generate-run-command", "neuro": "generate-run"}[cli.name]
        assert "--name cli-running" in cli("job", command, running)
        before = jobs.status(running).life_span
        assert "life span" in cli("job", "bump-life-span", "cli-running", "2h")
        assert jobs.status(running).life_span == before + 7200

    def test_the_exit_code_and_the_output_of_a_command(self, cli, running):
        text = cli(*"job exec -T cli-running -- sh -c".split(), "echo out; exit 3", code=3)
        assert "out" in text

    def test_saving_is_refused_in_the_platforms_way(self, cli, running):
        code, text = cli.run("job", "save", running, "image:saved:v1")
        assert code != 0
        assert "cannot save images" in text

    def test_its_end(self, cli, jobs):
        job, named = cli.start("sleep", "600"), "cli-killed"
        cli.start("sleep", "600", options=["--name", named])
        killed = cli("job", "kill", job, named).split()
        assert job in killed
        assert len(killed) == 2
        assert jobs.wait(job, timeout=30).status is JobStatus.CANCELLED
        assert "cancelled" in cli("job", "status", job)
        code, text = cli.run("job", "exec", "-T", job, "--", "true")
        assert code != 0
        assert "not running" in text
        code, text = cli.run("job", "kill", "no-such-job")
        assert code != 0
        assert "no such job no-such-job" in text
