"""The login on disk, of every generation of the CLI: read as it is, and changed without harm to its owner."""

import errno
import json
import os
import re
import sqlite3
import stat
import threading
from contextlib import closing, contextmanager

import pytest

from neuro_sync import ConfigError
from neuro_sync.config.schemas import SCHEMAS
from neuro_sync.config.selection import Selection
from neuro_sync.config.server import parse_server_config
from neuro_sync.config.store import Store, Tokens
from tests.peers.config import GENERATIONS as CONFIGS
from tests.peers.config import make_token

from .databases import GENERATIONS, row_of, write_login

NEW = Tokens("token-1", 5e9, "refresh-1")


@pytest.fixture(params=GENERATIONS)
def generation(request):
    return request.param


@pytest.fixture
def path(tmp_path, generation):
    return write_login(tmp_path / "login", generation, token=make_token())


@contextmanager
def nothing_can_be_written():
    """A limit on the size of files does what a full disk does."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_login_of_every_generation_is_read(path, generation):
    login = Store.open(path).login
    assert login.url == "https://api.example/api/v1"
    assert login.tokens == Tokens(make_token(), 4e9, "refresh-0")
    assert login.auth.client_id == "cli-client"
    assert login.auth.callback_urls == ("http://127.0.0.1:54540",)
    has_projects = generation > 2022
    assert login.selection == Selection("default", "acme", "vision" if has_projects else None)
    assert login.schema == SCHEMAS[GENERATIONS.index(generation)]
    if not has_projects:
        assert login.server is None
        return
    assert [key.project_name for key in login.server.projects] == ["vision", "zoo"]
    preset = login.server.clusters["default"].presets["cpu-small"]
    assert preset.memory == 2**32
    assert (preset.nvidia_gpu.count, preset.nvidia_gpu.model) == (1, "nvidia-v100")
    pool = login.server.clusters["default"].resource_pools["gpu"]
    assert pool.max_size == 2


def test_to_read_changes_nothing(path):
    before = row_of(path)
    Store.open(path).read_tokens()
    assert row_of(path) == before


def test_tokens_are_changed_and_nothing_else(path):
    before = row_of(path)
    store = Store.open(path)
    store.save_tokens(NEW)
    changed = {"token": "token-1", "expiration_time": 5e9, "refresh_token": "refresh-1"}
    assert row_of(path) == {**before, **changed}
    assert store.login.tokens == NEW
    assert Store.open(path).read_tokens() == NEW


def test_the_selection_is_changed_and_nothing_else(path, generation):
    before = row_of(path)
    store = Store.open(path)
    store.save_selection(Selection("second", "other", "zoo"))
    after = {**before, "cluster_name": "second", "org_name": "other"}
    if generation > 2022:
        after["project_name"] = "zoo"
    assert row_of(path) == after


def offering(orgs, config=2026):
    """A server all of whose clusters list these organisations."""
    payload = CONFIGS[config]("https://api.example")
    for cluster in payload["clusters"]:
        cluster["orgs"] = orgs
    return parse_server_config(payload)


@pytest.mark.parametrize(
    ("orgs", "words"),
    [
        ([], {2022: None, 2025: "NO_ORG", 2026: "default-org"}),
        (None, {2022: None, 2025: "NO_ORG", 2026: "default-org"}),
        ([None, "acme"], {2022: None, 2025: "NO_ORG", 2026: "NO_ORG"}),
    ],
)
def test_no_organisation_is_what_its_generation_calls_so(path, generation, orgs, words):
    store = Store.open(path)
    store.save_server(offering(orgs))
    store.save_selection(Selection("default", None, None))
    assert row_of(path)["org_name"] == words[generation]
    assert Store.open(path).login.selection.org_name is None


@pytest.mark.parametrize(("orgs", "word"), [([], "default-org"), ([None], "NO_ORG")])
def test_a_new_login_without_an_organisation(tmp_path, orgs, word):
    path = tmp_path / "new"
    selection = Selection("default", None, None)
    Store.create(path, "https://api.example/api/v1", NEW, offering(orgs), selection)
    assert row_of(path)["org_name"] == word
    assert Store.open(path).login.selection == selection


def test_a_new_login_of_2022_without_an_organisation(tmp_path):
    path = tmp_path / "new"
    selection = Selection("default", None, None)
    Store.create(path, "https://api.example/api/v1", NEW, offering([], 2022), selection)
    assert row_of(path)["org_name"] is None


@pytest.mark.parametrize(
    ("generation", "orgs", "project_org", "read"),
    [
        (2026, [], "acme", None),
        (2026, ["acme"], "acme", None),
        (2026, [None], "acme", None),
        (2026, ["default-org"], "acme", "default-org"),
        (2026, [], "default-org", "default-org"),
        # The CLI of 2025 has another word for it.
        (2025, ["acme"], "acme", "default-org"),
    ],
)
def test_an_organisation_may_have_the_name_that_stands_for_none(
    tmp_path, generation, orgs, project_org, read
):
    project = {"name": "p", "cluster_name": "default", "org_name": project_org, "role": "writer"}
    path = write_login(
        tmp_path / "login",
        generation,
        token="t",
        org_name="default-org",
        clusters=json.dumps([{"name": "default", "orgs": orgs}]),
        projects=json.dumps([project]),
    )
    assert Store.open(path).login.selection.org_name == read


@pytest.mark.parametrize(
    ("orgs", "kept"),
    [
        (["acme"], {2022: ["acme"], 2025: ["acme"], 2026: ["acme"]}),
        (
            [None, "acme"],
            {2022: [None, "acme"], 2025: ["NO_ORG", "acme"], 2026: ["NO_ORG", "acme"]},
        ),
        ([], {2022: [], 2025: ["NO_ORG"], 2026: []}),
        (None, {2022: [None], 2025: ["NO_ORG"], 2026: []}),
    ],
)
def test_organisations_are_kept_in_the_words_of_the_generation(path, generation, orgs, kept):
    Store.open(path).save_server(offering(orgs))
    for cluster in json.loads(row_of(path)["clusters"]):
        assert cluster["orgs"] == kept[generation]


@pytest.mark.parametrize("word", [None, "", "NO_ORG"])
def test_no_organisation_is_read_in_all_its_words(tmp_path, word):
    path = write_login(tmp_path / "login", 2025, token="t", org_name=word)
    assert Store.open(path).login.selection.org_name is None


@pytest.mark.parametrize("config", sorted(CONFIGS))
def test_what_a_server_has_is_kept_and_read_back(path, generation, config):
    server = parse_server_config(CONFIGS[config]("https://api.example"))
    Store.open(path).save_server(server)
    read = Store.open(path).login.server
    if generation == 2022:
        assert read is None
        return
    assert set(read.clusters) == set(server.clusters)
    assert read.projects == server.projects
    for name, cluster in server.clusters.items():
        kept = read.clusters[name]
        assert (kept.monitoring_url, kept.registry_url, kept.orgs) == (
            cluster.monitoring_url,
            cluster.registry_url,
            cluster.orgs,
        )
        assert kept.accepts_nvidia_gpu == cluster.accepts_nvidia_gpu
        assert set(kept.presets) == set(cluster.presets)
        gpu, expected = kept.presets["gpu"].nvidia_gpu, cluster.presets["gpu"].nvidia_gpu
        assert (gpu.count, gpu.model) == (expected.count, expected.model)


@pytest.mark.parametrize(
    ("config", "wanted"), [(2022, "22.7.1"), (2025, "26.9.0"), (2026, "26.9.0")]
)
def test_a_new_login_is_in_the_form_of_a_cli_that_can_work_there(tmp_path, config, wanted):
    server = parse_server_config(CONFIGS[config]("https://api.example"))
    selection = Selection("default", "acme", "vision" if server.has_projects else None)
    created = Store.create(tmp_path / "new", "https://api.example/api/v1", NEW, server, selection)
    read = Store.open(tmp_path / "new").login
    assert read.schema.version == created.login.schema.version == wanted
    assert row_of(tmp_path / "new")["version"] == wanted
    assert read.selection == selection
    if server.has_projects:
        assert read.server.has_projects


class TestNew:
    """A login that is written is there as a whole, or not at all, and takes nobody else's place."""

    SERVER = parse_server_config(CONFIGS[2026]("https://api.example"))

    def create(self, path, tokens=NEW):
        selection = Selection("default", "acme", "vision")
        return Store.create(path, "https://api.example/api/v1", tokens, self.SERVER, selection)

    @pytest.fixture(params=["links", "no links"])
    def disk(self, request, monkeypatch):
        """One that knows hard links, and one that does not."""

        def link(*names, **options):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        if request.param == "no links":
            monkeypatch.setattr(os, "link", link)

    def test_who_comes_second_changes_nothing(self, disk, tmp_path):
        self.create(tmp_path / "new")
        before = row_of(tmp_path / "new")
        with pytest.raises(ConfigError, match="has a login already: log out first"):
            self.create(tmp_path / "new", Tokens("theirs", 5e9))
        assert row_of(tmp_path / "new") == before
        assert os.listdir(str(tmp_path / "new")) == ["db"]

    def test_of_many_at_the_same_moment_one_gets_it(self, tmp_path):
        barrier = threading.Barrier(8)
        written, refused = [], []

        def log_in(tokens):
            barrier.wait(30)
            try:
                written.append(self.create(tmp_path / "new", tokens).login.tokens)
            except ConfigError as error:
                refused.append(str(error))

        threads = [
            threading.Thread(target=log_in, args=(Tokens(str(number), 5e9),)) for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert written == [Store.open(tmp_path / "new").login.tokens]
        assert ["has a login already" in text for text in refused] == [True] * 7
        assert os.listdir(str(tmp_path / "new")) == ["db"]

    def test_what_another_login_has_left_is_no_part_of_it(self, tmp_path):
        """A log that is there without its file, as when a person removed that alone."""
        path = write_login(tmp_path / "login", 2026, token="of-before")
        with closing(sqlite3.connect(str(path / "db"))) as db:
            with db:
                db.execute("UPDATE main SET token = 'left'")
            (path / "db").unlink()
            left = {item: item.read_bytes() for item in path.iterdir()}
        assert left
        for item, content in left.items():
            item.write_bytes(content)
        self.create(path)
        assert Store.open(path).login.tokens == NEW


def test_the_cli_and_what_it_keeps_beside_are_left_alone(path):
    with closing(sqlite3.connect(str(path / "db"))) as db:
        before = db.execute("SELECT name, sql FROM sqlite_master").fetchall()
    store = Store.open(path)
    store.save_tokens(NEW)
    store.save_selection(Selection("default", "acme", "zoo"))
    with closing(sqlite3.connect(str(path / "db"))) as db:
        assert db.execute("SELECT name, sql FROM sqlite_master").fetchall() == before
        assert db.execute("SELECT count(*) FROM cookie_session").fetchone() == (1,)


def test_what_the_cli_compares_is_the_same_letter_by_letter():
    assert [schema.sql for schema in SCHEMAS] == [
        "CREATE TABLE main (auth_config TEXT, token TEXT, expiration_time REAL, refresh_token TEXT, url TEXT, "
        "admin_url TEXT, version TEXT, cluster_name TEXT, org_name TEXT, clusters TEXT, timestamp REAL)",
        "CREATE TABLE main (auth_config TEXT, token TEXT, expiration_time REAL, refresh_token TEXT, url TEXT, "
        "admin_url TEXT, version TEXT, project_name TEXT, cluster_name TEXT, org_name TEXT, clusters TEXT, "
        "projects TEXT, timestamp REAL)",
        "CREATE TABLE main (auth_config TEXT, token TEXT, expiration_time REAL, refresh_token TEXT, url TEXT, "
        "admin_url TEXT, vcluster_url TEXT, version TEXT, project_name TEXT, cluster_name TEXT, "
        "org_name TEXT, clusters TEXT, projects TEXT, timestamp REAL)",
    ]


def test_of_several_rows_the_newest_counts(path):
    with closing(sqlite3.connect(str(path / "db"))) as db, db:
        db.execute("CREATE TEMP TABLE copy AS SELECT * FROM main")
        db.execute("UPDATE copy SET token = 'newer', timestamp = timestamp + 1")
        db.execute("INSERT INTO main SELECT * FROM copy")
    store = Store.open(path)
    assert store.login.tokens.token == "newer"
    store.save_tokens(NEW)
    with closing(sqlite3.connect(str(path / "db"))) as db:
        rows = db.execute("SELECT token FROM main ORDER BY timestamp").fetchall()
    assert rows == [(make_token(),), ("token-1",)]


def test_a_cli_that_writes_at_the_same_moment_is_waited_for(path):
    """It deletes the row and writes a new one; a token that is saved must land in that."""
    store = Store.open(path)
    with closing(sqlite3.connect(str(path / "db"), isolation_level=None)) as cli:
        row = cli.execute("SELECT * FROM main").fetchone()
        cli.execute("BEGIN IMMEDIATE")
        cli.execute("DELETE FROM main")
        saving = threading.Thread(target=store.save_tokens, args=(NEW,))
        saving.start()
        saving.join(0.2)
        assert saving.is_alive()
        cli.execute(
            "INSERT INTO main VALUES ({})".format(", ".join("?" * len(row))), [*row[:-1], 3e9]
        )
        cli.execute("COMMIT")
        saving.join(30)
    assert Store.open(path).read_tokens() == NEW


class TestDamage:
    def damaged(self, tmp_path, **columns):
        return write_login(tmp_path / "login", 2026, **{"token": "t", **columns})

    @pytest.mark.parametrize(
        "columns",
        [
            {"token": None},
            {"auth_config": "{"},
            {"auth_config": "[]"},
            {"auth_config": None},
            {"clusters": "[1]"},
            {"clusters": "{"},
            {"clusters": '[{"orgs": []}]'},
            {"projects": '[{"role": "writer"}]'},
            {"expiration_time": "never"},
            {"url": None},
            {"url": "https://user:secret@api.example/api/v1"},
        ],
    )
    def test_columns_that_make_no_sense(self, tmp_path, columns):
        with pytest.raises(ConfigError, match=r"damaged .*log in again"):
            Store.open(self.damaged(tmp_path, **columns))

    def test_what_is_in_it_is_not_shown(self, tmp_path):
        path = self.damaged(tmp_path, token="secret-token", clusters="{")
        with pytest.raises(ConfigError) as caught:
            Store.open(path)
        assert "secret-token" not in str(caught.value)
        assert "secret" not in repr(Tokens("secret", 1.0, "secret"))

    @pytest.mark.parametrize("content", [b"", b"no database, whatever its name is"])
    def test_a_file_that_is_no_login(self, tmp_path, content):
        path = tmp_path / "login"
        path.mkdir(mode=0o700)
        (path / "db").write_bytes(content)
        (path / "db").chmod(0o600)
        with pytest.raises(ConfigError, match=r"damaged .*log in again"):
            Store.open(path)

    def test_bytes_that_are_no_text_any_more(self, path):
        store = Store.open(path)
        with closing(sqlite3.connect(str(path / "db"))) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        data = (path / "db").read_bytes()
        (path / "db").write_bytes(data.replace(b"refresh_token TEXT", b"refresh\xfftoken TEXT"))
        for use in (lambda: Store.open(path), store.read_tokens, lambda: store.save_tokens(NEW)):
            with pytest.raises(ConfigError):
                use()

    def test_a_time_that_is_none_any_more(self, path):
        store = Store.open(path)
        with closing(sqlite3.connect(str(path / "db"))) as db, db:
            db.execute("UPDATE main SET expiration_time = 'never'")
        with pytest.raises(ConfigError, match=r"damaged .*log in again"):
            store.read_tokens()

    def test_an_empty_table(self, path):
        with closing(sqlite3.connect(str(path / "db"))) as db, db:
            db.execute("DELETE FROM main")
        with pytest.raises(ConfigError, match="it is empty"):
            Store.open(path)

    @pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
    @pytest.mark.parametrize(
        ("name", "mode", "wanted"), [("", 0o755, 700), ("db", 0o640, 600), ("db", 0o604, 600)]
    )
    def test_others_can_read_it(self, path, name, mode, wanted):
        item = path / name
        item.chmod(mode)
        expected = "others can read {}: chmod {} {}".format(item, wanted, item)
        with pytest.raises(ConfigError, match=re.escape(expected)):
            Store.open(path)

    def test_a_login_that_was_left_does_not_come_back(self, path):
        """An empty file would be a damaged login to the CLI."""
        store = Store.open(path)
        (path / "user.toml").touch()
        Store.delete(path)
        with pytest.raises(ConfigError, match="cannot write"):
            store.save_tokens(NEW)
        with pytest.raises(ConfigError, match="cannot read"):
            store.read_tokens()
        assert not Store.exists(path)


class TestNowhereToWrite:
    def test_a_full_disk_stops_no_reading(self, path):
        with nothing_can_be_written():
            store = Store.open(path)
            assert store.read_tokens().refresh_token == "refresh-0"
            with pytest.raises(ConfigError, match="cannot write"):
                store.save_tokens(NEW)
        assert row_of(path)["token"] == make_token()

    def test_half_a_login_does_not_stay(self, tmp_path):
        server = parse_server_config(CONFIGS[2026]("https://api.example"))
        selection = Selection("default", "acme", "vision")
        arguments = tmp_path / "new", "https://api.example/api/v1", NEW, server, selection
        with nothing_can_be_written(), pytest.raises(ConfigError, match="cannot write the login"):
            Store.create(*arguments)
        assert os.listdir(str(tmp_path / "new")) == []
        Store.create(*arguments)
        assert Store.open(tmp_path / "new").login.tokens == NEW

    def test_a_file_is_in_the_way(self, tmp_path):
        (tmp_path / "file").touch()
        server = parse_server_config(CONFIGS[2026]("https://api.example"))
        with pytest.raises(ConfigError, match="cannot write the login"):
            Store.create(tmp_path / "file", "x", NEW, server, Selection("default", None, None))
        assert (tmp_path / "file").is_file()

    def test_a_read_only_mount_stops_no_reading(self, tmp_path, confined):
        path = write_login(tmp_path / "login", 2026, token="secret")
        program = (
            "import sys, pathlib\n"
            "from neuro_sync.config.store import Store\n"
            "print(Store.open(pathlib.Path(sys.argv[1])).login.selection.project_name)"
        )
        assert confined(program, path, options=["--ro-bind", path, path]) == "vision\n"


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX's")
def test_files_that_are_written_are_the_owners_alone(path):
    store = Store.open(path)
    with closing(sqlite3.connect(str(path / "db"))) as reader:
        reader.execute("SELECT * FROM main").fetchone()  # keeps the files beside it in place
        store.save_tokens(NEW)
        modes = {item.name: stat.S_IMODE(item.stat().st_mode) for item in path.iterdir()}
    assert "db-wal" in modes
    assert set(modes.values()) == {0o600}
