"""``client.config``: of a token alone, and of the CLI's login on disk."""

import json
import sqlite3
from contextlib import closing

import pytest
import responses
from yarl import URL

import neuro_sync
from neuro_sync import ConfigError, Container, JobsClient, Project, Resources
from tests.peers.config import GENERATIONS

from .databases import row_of, write_login
from .test_store import nothing_can_be_written


@pytest.fixture
def memory(server):
    with JobsClient(server.url, server.token) as jobs:
        yield jobs.config


@pytest.fixture
def path(tmp_path, server):
    return write_login(tmp_path / "login", 2026, token=server.token)


@pytest.fixture
def disk(path):
    with neuro_sync.get(path=path) as client:
        yield client.config


class TestMemory:
    def test_the_servers_first_are_current(self, memory, server):
        assert memory.path is None
        assert server.asked == [], "nothing was needed yet"
        assert memory.cluster_name == "default"
        assert memory.org_name == "acme"
        assert memory.project_name == memory.project_name_or_raise == "vision"
        assert memory.monitoring_url == URL("https://api.example/api/v1/mon/jobs")
        assert memory.presets is memory.current_cluster.presets
        assert list(memory.resource_pools) == ["gpu"]
        assert memory.available_orgs == ("acme", "other")
        assert memory.cluster_orgs == ["acme", "other"]
        assert [project.name for project in memory.cluster_org_projects] == ["vision", "zoo"]
        assert server.asked == [server.token], "one request serves all of it"

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({"cluster_name": "second"}, ("second", "acme", "vision")),
            ({"org_name": "other"}, ("default", "other", None)),
            ({"project_name": "zoo"}, ("default", "acme", "zoo")),
            ({"cluster_name": "default", "project_name": "new"}, ("default", "acme", "new")),
        ],
    )
    def test_what_is_asked_for_is_current(self, server, wanted, expected):
        with JobsClient(server.url, server.token, **wanted) as jobs:
            config = jobs.config
            assert (config.cluster_name, config.org_name, config.project_name) == expected

    def test_a_cluster_that_is_not_there(self, server):
        with JobsClient(server.url, server.token, cluster_name="gone") as jobs:
            with pytest.raises(ConfigError, match="'gone' is not known"):
                _ = jobs.config.cluster_name

    def test_switches_stay_in_this_client(self, memory, server):
        memory.switch_cluster("second")
        memory.switch_org("other")
        memory.switch_org("acme")
        memory.switch_project("zoo")
        assert (memory.cluster_name, memory.org_name, memory.project_name) == (
            "default",
            "acme",
            "zoo",
        )
        with JobsClient(server.url, server.token) as other:
            assert other.config.project_name == "vision"

    def test_files_of_the_directory_are_not_its_business(self, memory, home):
        (home / ".apolo.toml").write_text('[job]\ncluster-name = "second"\n')
        assert memory.cluster_name == "default"

    @pytest.mark.parametrize(
        "url",
        [
            "api.example/api/v1",
            "ftp://x",
            "https://u:p@api.example",
            "https://api.example/?t=secret",
        ],
    )
    def test_an_address_that_can_not_be_right(self, url):
        with pytest.raises(ValueError) as caught:
            JobsClient(url, "t")
        assert "secret" not in str(caught.value)
        assert "u:p" not in str(caught.value)


class TestFetch:
    def test_what_has_changed_is_taken_over(self, memory, server):
        assert "tpu" in memory.presets
        assert set(memory.clusters) == {"default", "second"}
        memory.switch_project("zoo")
        server.config = lambda base, authorized: _without(base, authorized, "second", "tpu")
        with pytest.raises(ConfigError, match=r"has changed: call config.fetch\(\)"):
            memory.check_server()
        assert "tpu" in memory.presets
        memory.fetch()
        memory.check_server()
        assert "tpu" not in memory.presets
        assert set(memory.clusters) == {"default"}
        assert memory.project_name == "zoo"

    def test_a_current_cluster_that_is_gone_changes_nothing(self, disk, server, path):
        before = row_of(path)
        server.config = lambda base, authorized: _without(base, authorized, "default")
        with pytest.raises(ConfigError, match="'default' is not known; there are 'second'"):
            disk.fetch()
        assert row_of(path) == before
        assert disk.cluster_name == "default"
        assert list(disk.clusters) == ["default"]

    def test_it_is_kept_for_the_next_client(self, disk, server, path):
        assert list(disk.clusters) == ["default"]
        disk.fetch()
        with neuro_sync.get(path=path) as later:
            assert list(later.config.clusters) == ["default", "second"]
        assert server.asked == [server.token]

    def test_a_login_that_takes_no_writing_is_told_once(self, disk, path, caplog):
        before = row_of(path)
        with nothing_can_be_written():
            disk.fetch()
            assert disk.get_cluster("second").name == "second"
            assert disk.get_cluster(cluster_name="second").name == "second"
            with pytest.raises(ConfigError, match="'third' is not known"):
                disk.get_cluster("third")
        assert row_of(path) == before
        (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
        assert "could not be kept" in record.getMessage()

    def test_a_cluster_that_is_new_is_looked_for_once(self, disk, server):
        assert disk.get_cluster("second").name == "second"
        assert disk.get_cluster("second").name == "second"
        assert len(server.asked) == 1
        with pytest.raises(ConfigError, match="'third' is not known"):
            disk.get_cluster("third")


def _without(base, authorized, cluster, preset=""):
    payload = GENERATIONS[2026](base, authorized)
    payload["clusters"] = [item for item in payload["clusters"] if item["name"] != cluster]
    for item in payload["clusters"]:
        item["resource_presets"] = [
            found for found in item["resource_presets"] if found["name"] != preset
        ]
    return payload


class TestDisk:
    def test_it_is_what_the_cli_left(self, disk, server, path):
        assert disk.path == path
        assert (disk.cluster_name, disk.org_name, disk.project_name) == (
            "default",
            "acme",
            "vision",
        )
        assert disk.username == "alice"
        assert list(disk.projects) == [
            Project.Key("default", "acme", "vision"),
            Project.Key("default", "acme", "zoo"),
        ]
        assert server.asked == []

    @pytest.mark.parametrize("generation", [2022, 2025, 2026])
    def test_a_switch_is_kept(self, tmp_path, server, generation):
        if generation == 2022:
            server.config = GENERATIONS[2022]
        path = write_login(tmp_path / "login", generation, token=server.token)
        with neuro_sync.get(path=path) as client:
            client.config.fetch()
            client.config.switch_org("other")
            client.config.switch_cluster("default")
            client.config.switch_org("acme")
            client.config.switch_cluster("second")
        with neuro_sync.get(path=path) as later:
            assert later.config.cluster_name == "second"
            assert later.config.org_name == "acme"
            assert later.config.project_name == (None if generation == 2022 else "vision")

    def test_what_is_unknown_is_not_switched_to(self, disk, path):
        before = row_of(path)
        for switch, name in (
            (disk.switch_cluster, "gone"),
            (disk.switch_org, "gone"),
            (disk.switch_project, "gone"),
        ):
            with pytest.raises(ConfigError, match="'gone' is not known"):
                switch(name)
        assert row_of(path) == before

    def test_a_file_of_the_directory_comes_first(self, disk, path, home):
        before = row_of(path)
        (home / ".apolo.toml").write_text('[job]\nproject-name = "zoo"\norg-name = "NO_ORG"\n')
        assert (disk.cluster_name, disk.org_name, disk.project_name) == ("default", None, "zoo")
        for switch, name in ((disk.switch_org, "acme"), (disk.switch_project, "vision")):
            with pytest.raises(ConfigError, match=r"is set by .*\.apolo\.toml: change it there"):
                switch(name)
        (home / ".apolo.toml").write_text('[job]\ncluster-name = "elsewhere"\n')
        assert disk.cluster_name == "elsewhere"
        with pytest.raises(ConfigError, match="is set by"):
            disk.switch_cluster("default")
        (home / ".apolo.toml").unlink()
        assert disk.cluster_name == "default"
        assert row_of(path) == before

    def test_a_project_is_switched_to_without_what_a_file_says_beside_it(self, disk, path, home):
        disk.fetch()
        (home / ".apolo.toml").write_text('[job]\ncluster-name = "second"\n')
        with pytest.raises(ConfigError, match="'zoo' is not known"):
            disk.switch_project("zoo")
        disk.switch_project("vision")
        assert (disk.cluster_name, disk.project_name) == ("second", "vision")
        (home / ".apolo.toml").unlink()
        assert disk.cluster_name == "default"
        assert row_of(path)["cluster_name"] == "default"

    def test_an_organisation_is_one_of_the_cluster_that_a_file_names(self, disk, path, home):
        disk.fetch()
        (home / ".apolo.toml").write_text('[job]\ncluster-name = "second"\n')
        before = row_of(path)
        with pytest.raises(ConfigError, match=r"cluster is set by .*\.apolo\.toml"):
            disk.switch_org("other")
        assert row_of(path) == before
        disk.switch_org("acme")
        assert (disk.cluster_name, disk.org_name) == ("second", "acme")
        assert row_of(path)["cluster_name"] == "default"

    def test_a_login_that_took_the_place_of_this_one_stays_as_it_is(self, disk, path, caplog):
        with closing(sqlite3.connect(str(path / "db"))) as db, db:
            db.execute("UPDATE main SET url = 'https://elsewhere.example/api/v1'")
        before = row_of(path)
        disk.fetch()
        assert "another platform by now" in caplog.text
        with pytest.raises(ConfigError, match="another platform by now"):
            disk.switch_project("zoo")
        assert row_of(path) == before

    def test_no_project_is_current(self, tmp_path, server):
        path = write_login(
            tmp_path / "login", 2026, token=server.token, org_name="other", project_name=None
        )
        with neuro_sync.get(path=path) as client:
            assert client.config.project_name is None
            with pytest.raises(ConfigError, match=r"config.switch_project\(\)"):
                _ = client.config.project_name_or_raise

    def test_a_login_of_2022_asks_for_what_it_does_not_know(self, tmp_path, server):
        """The file does not say whether the server has projects by now."""
        path = write_login(tmp_path / "login", 2022, token=server.token)
        with neuro_sync.get(path=path) as client:
            assert client.config.project_name == "vision"
            assert client.config.server_has_projects
        assert server.asked == [server.token]


JOB = {
    "id": "job-1",
    "status": "pending",
    "history": {"created_at": "2026-01-01T00:00:00+00:00"},
    "container": {"image": "ubuntu", "resources": {"cpu": 1, "memory_mb": 16}},
}


class TestOldPlatforms:
    """What is sent to a server of 2022, which refuses what it does not know."""

    @pytest.fixture
    def sent(self, server):
        server.config = GENERATIONS[2022]
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            mock.add_callback(responses.GET, server.url + "/config", server.answer_config)
            mock.add(responses.POST, server.url + "/jobs", json=JOB, status=202)
            mock.add(responses.GET, server.url + "/jobs", json={"jobs": [JOB]})
            yield lambda: mock.calls[-1].request

    def test_nobody_says_project_or_no_organisation(self, server, sent):
        with JobsClient(server.url, server.token) as jobs:
            assert (jobs.config.org_name, jobs.config.project_name) == (None, None)
            jobs.start(image="ubuntu", preset_name="cpu-small")
            body = json.loads(sent().body.decode())
            assert "project_name" not in body
            assert "org_name" not in body
            jobs.start(image="ubuntu", preset_name="cpu-small", project_name="p", org_name="acme")
            body = json.loads(sent().body.decode())
            assert "project_name" not in body
            assert body["org_name"] == "acme"
            assert [job.id for job in jobs.list()] == ["job-1"]
            assert "org_name" not in sent().url

    def test_a_gpu_is_called_gpu(self, server, sent):
        resources = Resources(memory=2**30, cpu=1.0, nvidia_gpu=2, nvidia_gpu_model="v100")
        with JobsClient(server.url, server.token) as jobs:
            container = Container(image=jobs.parse.remote_image("ubuntu"), resources=resources)
            with pytest.warns(DeprecationWarning, match="use start"):
                jobs.run(container)
        found = json.loads(sent().body.decode())["container"]["resources"]
        assert (found["gpu"], found["gpu_model"]) == (2, "v100")
        assert "nvidia_gpu" not in found

    def test_a_login_made_by_us_knows_it_later_too(self, server, sent, tmp_path):
        factory = neuro_sync.Factory(tmp_path / "login")
        factory.login_with_token(server.token, url=server.url)
        with factory.get() as client:
            assert not client.config.server_has_projects
            assert not client.config.current_cluster.accepts_nvidia_gpu
            assert client.presets["gpu"].nvidia_gpu.count == 1


def test_orgs_without_any(server):
    """A cluster without organisations, and projects without one."""
    payload = GENERATIONS[2026]("https://api.example")
    for cluster in payload["clusters"]:
        cluster["orgs"] = []
    projects = [{"name": "p", "cluster_name": "default", "org_name": "NO_ORG", "role": "writer"}]
    server.changes.update(clusters=payload["clusters"], projects=projects)
    with JobsClient(server.url, server.token) as jobs:
        config = jobs.config
        assert (config.org_name, config.project_name) == (None, "p")
        assert config.cluster_orgs == [None]
        assert str(jobs.parse.str_to_uri("storage:a")) == "storage://default/p/a"
        assert jobs.parse.remote_image("image:a").as_docker_url() == (
            "registry.default.example/p/a:latest"
        )


@pytest.mark.parametrize("orgs", [[], [None], [None, "acme"]])
def test_a_login_without_an_organisation_stays_without(server, tmp_path, orgs):
    """As it is from a token alone, whatever the CLI needs to have on disk for it."""
    payload = GENERATIONS[2026]("https://api.example")
    for cluster in payload["clusters"]:
        cluster["orgs"] = orgs
    projects = [{"name": name, "cluster_name": "default", "role": "writer"} for name in "pq"]
    server.changes.update(clusters=payload["clusters"], projects=projects)
    factory = neuro_sync.Factory(tmp_path / "login")
    factory.login_with_token(server.token, url=server.url)
    with JobsClient(server.url, server.token) as jobs, factory.get() as client:
        for config in (jobs.config, client.config):
            assert (config.org_name, config.project_name) == (None, "p")
            assert config.cluster_orgs == [None, *filter(None, orgs)]
        client.config.switch_cluster("second")
        client.config.switch_cluster("default")
        client.config.switch_org(None)
        client.config.switch_project("q")
        client.config.fetch()
    with factory.get() as client:
        assert (client.config.org_name, client.config.project_name) == (None, "q")


DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("ubuntu", "ubuntu:latest"),
        ("ubuntu@" + DIGEST, "ubuntu@" + DIGEST),
        ("ghcr.io/a/b:1@" + DIGEST, "ghcr.io/a/b:1@" + DIGEST),
        ("localhost:5000/a/b:t", "localhost:5000/a/b:t"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("image:mine:v1", "registry.default.example/acme/vision/mine:v1"),
        ("image:mine/deep@" + DIGEST, "registry.default.example/acme/vision/mine/deep@" + DIGEST),
        ("image:/zoo/mine", "registry.default.example/acme/zoo/mine:latest"),
        ("image://default/other/vision/mine:1", "registry.default.example/other/vision/mine:1"),
        ("image://second/zoo/mine:1", "r2.example:5000/acme/zoo/mine:1"),
        ("r2.example:5000/acme/zoo/mine:1", "r2.example:5000/acme/zoo/mine:1"),
    ],
)
def test_an_image_is_whole_on_its_way_out_and_back(server, text, sent):
    """The config knows which registries are of the platform, and what in a name is an organisation."""

    def start(request):
        body = json.loads(request.body.decode())
        assert body["image"] == sent
        job = {"cluster_name": "default", "org_name": "acme", "project_name": "vision", **JOB}
        return 202, {}, json.dumps({**job, "container": {**JOB["container"], "image": sent}})

    with responses.RequestsMock() as mock:
        mock.add_callback(responses.GET, server.url + "/config", server.answer_config)
        mock.add_callback(responses.POST, server.url + "/jobs", start)
        with JobsClient(server.url, server.token) as jobs:
            job = jobs.start(image=text, preset_name="cpu-small")
            assert job.container.image == jobs.parse.remote_image(text)
            assert job.container.image.as_docker_url() == sent
            assert neuro_sync.JobDescription.from_json(job.to_json()) == job


@pytest.mark.parametrize("generation", sorted(GENERATIONS))
def test_nothing_has_changed_right_after_a_login(server, tmp_path, generation):
    """What is kept on disk is less than what the server says, and all that is compared."""
    server.config = GENERATIONS[generation]
    factory = neuro_sync.Factory(tmp_path / "login")
    factory.login_with_token(server.token, url=server.url)
    with factory.get() as client:
        client.config.check_server()
        client.config.fetch()
        client.config.check_server()
    with factory.get() as client:
        client.config.check_server()
        server.config = lambda base, authorized: _without(base, authorized, "second")
        with pytest.raises(ConfigError, match="has changed"):
            client.config.check_server()
