"""TOML files that make another cluster, organisation or project current in a directory."""

import os

import pytest

from neuro_sync import ConfigError
from neuro_sync.config.overrides import NO_OVERRIDES, load_overrides


@pytest.fixture
def login(tmp_path):
    path = tmp_path / "login"
    path.mkdir()
    return path


def job(**names):
    lines = ['{} = "{}"\n'.format(key.replace("_", "-"), name) for key, name in names.items()]
    return "[job]\n" + "".join(lines)


def test_no_file_says_anything(login):
    assert load_overrides(login) == NO_OVERRIDES


def test_names_are_taken(login, home):
    file = home / ".apolo.toml"
    file.write_text(job(cluster_name="c", org_name="o", project_name="p"))
    found = load_overrides(login)
    assert found == ("c", "o", True, "p", str(file))


@pytest.mark.parametrize("text", ["", "[alias]\n", '[storage]\ncp-exclude = ["*.o"]\n', "[job]\n"])
def test_what_does_not_concern_jobs_is_left_to_the_cli(login, home, text):
    (home / ".apolo.toml").write_text(text)
    assert load_overrides(login)[:4] == NO_OVERRIDES[:4]


def test_the_nearest_file_counts_alone(login, home, monkeypatch):
    below = home / "a" / "b"
    below.mkdir(parents=True)
    (home / ".apolo.toml").write_text(job(cluster_name="far", project_name="p"))
    (home / "a" / ".apolo.toml").write_text(job(cluster_name="near"))
    monkeypatch.chdir(below)
    found = load_overrides(login)
    assert (found.cluster_name, found.project_name) == ("near", None)


def test_the_newer_name_comes_first_in_one_directory(login, home):
    (home / ".neuro.toml").write_text(job(cluster_name="old"))
    assert load_overrides(login).cluster_name == "old"
    (home / ".apolo.toml").write_text(job(cluster_name="new"))
    assert load_overrides(login).cluster_name == "new"


def test_the_users_own_file_comes_behind(login, home):
    (login / "user.toml").write_text(job(project_name="global"))
    assert load_overrides(login).project_name == "global"
    (home / ".apolo.toml").write_text(job(cluster_name="c"))
    found = load_overrides(login)
    assert (found.cluster_name, found.project_name) == ("c", "global")
    (home / ".apolo.toml").write_text(job(project_name="local"))
    assert load_overrides(login).project_name == "local"


@pytest.mark.parametrize("key", ["cluster-name", "org-name"])
def test_what_belongs_to_a_project_is_refused_in_the_users_own_file(login, key):
    (login / "user.toml").write_text('[job]\n{} = "x"\n'.format(key))
    with pytest.raises(ConfigError, match=r"user.toml: \[job\] {} belongs into".format(key)):
        load_overrides(login)


def test_no_organisation_can_be_said(login, home):
    (home / ".apolo.toml").write_text(job(org_name="NO_ORG"))
    found = load_overrides(login)
    assert (found.org_name, found.has_org) == (None, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[job", "Expected"),
        ("job = 1", "not a table"),
        ("[job]\ncluster-name = 5\n", "cluster-name is not a name"),
        ('[job]\norg-name = ""\n', "org-name is not a name"),
        ('[job]\nproject-name = ["p"]\n', "project-name is not a name"),
    ],
)
def test_a_file_that_is_wrong_is_named(login, home, text, reason):
    file = home / ".apolo.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_overrides(login)
    assert str(caught.value).startswith(str(file))


def test_bytes_that_are_no_text(login, home):
    (home / ".apolo.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"\.apolo\.toml: "):
        load_overrides(login)


def test_a_file_that_changes_is_read_again(login, home):
    file = home / ".apolo.toml"
    for name in ("one", "other", "third"):
        file.write_text(job(cluster_name=name))
        assert load_overrides(login).cluster_name == name
    file.unlink()
    assert load_overrides(login) == NO_OVERRIDES


def test_many_files_are_not_kept_for_ever(login, home, monkeypatch):
    from neuro_sync.config import overrides

    for number in range(200):
        directory = home / str(number)
        directory.mkdir()
        (directory / ".apolo.toml").write_text(job(cluster_name=str(number)))
        monkeypatch.chdir(directory)
        assert load_overrides(login).cluster_name == str(number)
    assert len(overrides._cache) < 100


@pytest.mark.skipif(os.name == "nt", reason="a current directory can't be removed there")
def test_a_current_directory_that_was_removed(login, home, monkeypatch):
    gone = home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_overrides(login) == NO_OVERRIDES


def test_a_current_directory_below_one_that_nobody_may_look_into(confined, locked, login):
    locked.chmod(0o700)
    program = (
        "import os, pathlib, sys\n"
        "from neuro_sync.config.overrides import NO_OVERRIDES, load_overrides\n"
        "os.chdir(sys.argv[1])\n"
        "os.chmod(os.path.dirname(sys.argv[1]), 0)\n"
        "print(load_overrides(pathlib.Path(sys.argv[2])) == NO_OVERRIDES)"
    )
    assert confined(program, locked / "inside", login) == "True\n"
