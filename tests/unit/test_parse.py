"""What users of the CLI write: images, URIs, volumes, environments."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from yarl import URL

from neuro_sync import DiskVolume, LocalImage, RemoteImage, SecretFile, TagOption, Volume
from neuro_sync.parse import Parser

CONFIG = SimpleNamespace(
    cluster_name="clu",
    org_name="org",
    project_name="proj",
    registries={"clu": "reg.example", "two": "r2.example:5000"},
    orgs={"clu": ["org", "org2"], "two": ["org"]},
)
PARSE = Parser(CONFIG)
WITHOUT_ORG = Parser(SimpleNamespace(**{**vars(CONFIG), "org_name": None, "orgs": {}}))
WITHOUT_PROJECT = Parser(SimpleNamespace(**{**vars(CONFIG), "project_name": None}))

component = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)?", fullmatch=True)
names = st.lists(component, min_size=1, max_size=3).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "canonical", "reference"),
    [
        ("ubuntu", "ubuntu:latest", "ubuntu:latest"),
        ("lib/ubuntu:1", "lib/ubuntu:1", "lib/ubuntu:1"),
        ("ghcr.io/a/b:t", "ghcr.io/a/b:t", "ghcr.io/a/b:t"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t"),
        ("a__b/c--d:t", "a__b/c--d:t", "a__b/c--d:t"),
        ("a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64),
        ("image:a", "image://clu/org/proj/a:latest", "reg.example/org/proj/a:latest"),
        ("image:a/b", "image://clu/org/proj/a/b:latest", "reg.example/org/proj/a/b:latest"),
        ("image:123", "image://clu/org/proj/123:latest", "reg.example/org/proj/123:latest"),
        ("image:/other/a:v1", "image://clu/org/other/a:v1", "reg.example/org/other/a:v1"),
        ("image:///other/a:v1", "image://clu/org/other/a:v1", "reg.example/org/other/a:v1"),
        ("image://clu/proj2/a", "image://clu/org/proj2/a:latest", "reg.example/org/proj2/a:latest"),
        ("image://clu/org/proj2/a:v", "image://clu/org/proj2/a:v", "reg.example/org/proj2/a:v"),
        ("image://clu/org2/proj2/a:v", "image://clu/org2/proj2/a:v", "reg.example/org2/proj2/a:v"),
        ("image://two/p/a", "image://two/org/p/a:latest", "r2.example:5000/org/p/a:latest"),
        ("image://CLU/org/p/a", "image://clu/org/p/a:latest", "reg.example/org/p/a:latest"),
        ("reg.example/org/proj/a:v1", "image://clu/org/proj/a:v1", "reg.example/org/proj/a:v1"),
        ("reg.example/proj/a", "image://clu/org/proj/a:latest", "reg.example/org/proj/a:latest"),
        ("r2.example:5000/org/p/a", "image://two/org/p/a:latest", "r2.example:5000/org/p/a:latest"),
    ],
)
def test_an_image_is_read(text, canonical, reference):
    image = PARSE.remote_image(text)
    assert str(image) == canonical
    assert image.as_docker_url() == reference


def test_an_image_without_an_organisation():
    assert str(WITHOUT_ORG.remote_image("image:a")) == "image://clu/proj/a:latest"
    assert str(WITHOUT_ORG.remote_image("image://clu/p/a")) == "image://clu/p/a:latest"
    assert WITHOUT_ORG.remote_image("image:a").org_name is None


def test_an_image_is_of_the_platform_or_not():
    image = PARSE.remote_image("image:a:v1")
    assert image == RemoteImage("a", "v1", "reg.example", "clu", "org", "proj")
    assert image.is_platform_image
    assert not PARSE.remote_image("ubuntu").is_platform_image


def test_a_short_name_is_meant_in_the_cluster_that_is_given():
    image = PARSE.remote_image("image:a", cluster_name="two")
    assert str(image) == "image://two/org/proj/a:latest"


@pytest.mark.parametrize(
    "text",
    ["", "-a", ":t", "a:", "a:b:c", "image:", "image:latest", "image:/a", "image://clu", "image://clu/a",
     "image://clu/org/a", "image:a:", "image::t", "image:a:b:c", "reg.example/a", "image:a?b", "image:a#b",
     "image://user@clu/p/a", "image://user:pw@clu/p/a", "image://clu:80/p/a", "a/B", "a/b_", "a/b..c",
     "image:A", "image:a b", "a:" + "x" * 129, "a:-x", "a/b:x y", "image:a//b"],
)  # fmt: skip
def test_what_is_no_image_is_refused(text):
    with pytest.raises(ValueError, match=r"^Invalid remote image "):
        PARSE.remote_image(text)


def test_a_cluster_that_is_not_known_is_a_runtime_error():
    for text in ("image://nowhere/p/a", "image:a", "image:/p/a"):
        with pytest.raises(RuntimeError, match="'nowhere' is not known"):
            PARSE.remote_image(text, cluster_name="nowhere")


def test_without_a_project_a_short_image_says_what_to_write():
    with pytest.raises(ValueError, match="write image:/PROJECT/NAME"):
        WITHOUT_PROJECT.remote_image("image:a")
    assert str(WITHOUT_PROJECT.remote_image("image:/p/a")) == "image://clu/org/p/a:latest"


@pytest.mark.parametrize(
    ("text", "option", "tag"),
    [
        ("image:a", TagOption.DEFAULT, "latest"),
        ("image:a:v", TagOption.DEFAULT, "v"),
        ("image:a", TagOption.ALLOW, None),
        ("image:a:v", TagOption.ALLOW, "v"),
        ("image:a", TagOption.DENY, None),
        ("image:a@sha256:" + "0" * 64, TagOption.DEFAULT, None),
    ],
)
def test_a_tag_becomes_what_the_option_says(text, option, tag):
    assert PARSE.remote_image(text, tag_option=option).tag == tag


def test_a_tag_that_is_denied_is_refused():
    with pytest.raises(ValueError, match="tag is not allowed"):
        PARSE.remote_image("image:a:v", tag_option=TagOption.DENY)


@given(names, tags, st.sampled_from(["clu", "two"]), st.sampled_from(["org"]), component)
def test_an_image_of_the_platform_is_read_back_from_both_spellings(
    name, tag, cluster, org, project
):
    assume(project != org)
    registry = CONFIG.registries[cluster]
    image = RemoteImage(name, tag, registry, cluster, org, project)
    assert PARSE.remote_image(str(image)) == image
    assert PARSE.remote_image(image.as_docker_url()) == image


@given(names, tags)
def test_an_image_of_others_is_read_back(name, tag):
    image = PARSE.remote_image("{}:{}".format(name, tag))
    assert (image.name, image.tag) == (name, tag)
    assert PARSE.remote_image(str(image)) == image


texts = st.text() | st.text(alphabet="abA/:@.-_?#~% ", max_size=12)


@given(texts, st.sampled_from(["", "image:", "image://clu/", "image:///", "reg.example/", "h:80/"]))
def test_any_text_is_an_image_or_refused(text, start):
    try:
        image = PARSE.remote_image(start + text)
    except (ValueError, RuntimeError):
        return
    assert PARSE.remote_image(image.as_docker_url()).as_docker_url() == image.as_docker_url()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", LocalImage("a", "latest")),
        ("a:v1", LocalImage("a", "v1")),
        ("localhost:5000/a/b", LocalImage("localhost:5000/a/b", "latest")),
        ("ghcr.io/a/b:t", LocalImage("ghcr.io/a/b", "t")),
    ],
)
def test_a_local_image_is_read(text, expected):
    assert PARSE.local_image(text) == expected


@pytest.mark.parametrize("text", ["", "image:a", "a:", "-a", "a:b:c"])
def test_what_is_no_local_image_is_refused(text):
    with pytest.raises(ValueError, match=r"^Invalid local image "):
        PARSE.local_image(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("storage:", "storage://clu/org/proj"),
        ("storage:a/b", "storage://clu/org/proj/a/b"),
        ("storage:/x/y", "storage://clu/org/x/y"),
        ("storage:///x/y", "storage://clu/org/x/y"),
        ("storage:/", "storage://clu/org/"),
        ("storage://c2/anything", "storage://c2/anything"),
        ("storage://clu", "storage://clu"),
        ("storage:a b", "storage://clu/org/proj/a%20b"),
        ("storage:a%23b", "storage://clu/org/proj/a%23b"),
        ("storage:a%25b", "storage://clu/org/proj/a%25b"),
        ("storage:a%2Fb", "storage://clu/org/proj/a/b"),
        ("storage:a%3Ab", "storage://clu/org/proj/a:b"),
        ("storage:a/../b", "storage://clu/org/proj/b"),
        ("storage:../x", "storage://clu/org/x"),
        ("storage:../../../x", "storage://clu/x"),
        ("storage:../../../../../x", "storage://clu/x"),
        ("storage:a/.", "storage://clu/org/proj/a/"),
        ("storage://C2/X", "storage://c2/X"),
        ("storage:123", "storage://clu/org/proj/123"),
        ("storage:a/", "storage://clu/org/proj/a/"),
        ("STORAGE:a", "storage://clu/org/proj/a"),
        ("storage:ü", "storage://clu/org/proj/%C3%BC"),
        ("secret:k", "secret://clu/org/proj/k"),
        ("secret:/p/k", "secret://clu/org/p/k"),
        ("disk:d", "disk://clu/org/proj/d"),
        ("disk:/p/d", "disk://clu/org/p/d"),
        ("job:j", "job://clu/org/proj/j"),
    ],
)
def test_a_uri_is_made_whole(text, expected):
    uri = PARSE.str_to_uri(text)
    assert str(uri) == expected
    assert PARSE.uri_to_str(uri) == expected
    assert PARSE.normalize_uri(uri) == uri


@pytest.mark.parametrize(
    "text",
    ["", "a", "a/b", "storage:a?b", "storage:a?", "storage:a#", "storage://u@c/x", "storage://u:p@c/x",
     "storage://c:80/x", "storage:~a", "storage:%7Ea", "storage:/~a", "storage://~a/b", "a/b:c"],
)  # fmt: skip
def test_what_is_no_uri_is_refused(text):
    with pytest.raises(ValueError):
        PARSE.str_to_uri(text)


def test_a_scheme_that_is_not_allowed_is_named_with_those_that_are():
    with pytest.raises(ValueError, match="only 'storage:', 'secret:' is allowed"):
        PARSE.str_to_uri("disk:a", allowed_schemes=("storage", "secret"))
    with pytest.raises(ValueError, match="specify one of storage"):
        PARSE.str_to_uri("a", allowed_schemes=("storage",))


def test_a_uri_is_meant_where_it_is_said():
    uri = PARSE.str_to_uri("storage:a", cluster_name="two", org_name="o", project_name="p")
    assert str(uri) == "storage://two/o/p/a"
    assert str(PARSE.str_to_uri("storage:a", org_name=None)) == "storage://clu/proj/a"
    assert str(PARSE.at("c", None, "p").str_to_uri("storage:a")) == "storage://c/p/a"
    assert str(WITHOUT_ORG.str_to_uri("storage:/p/a")) == "storage://clu/p/a"


def test_without_a_project_a_short_uri_says_what_to_write():
    with pytest.raises(ValueError, match="write storage:/PROJECT/"):
        WITHOUT_PROJECT.str_to_uri("storage:a")
    assert str(WITHOUT_PROJECT.str_to_uri("storage:/p/a")) == "storage://clu/org/p/a"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("storage://clu/org/proj/a/b", "storage:a/b"),
        ("storage://clu/org/proj", "storage:"),
        ("storage://clu/org/other/a", "storage://clu/org/other/a"),
        ("storage://clu/other/proj/a", "storage://clu/other/proj/a"),
        ("storage://two/org/proj/a", "storage://two/org/proj/a"),
        ("storage:a%20b", "storage:a%20b"),
    ],
)
def test_what_is_current_is_left_out_of_a_short_uri(text, short):
    assert str(PARSE.str_to_uri(text, short=True)) == short


@given(
    st.text(alphabet="abc/ .%25üé:+&=", max_size=15), st.sampled_from(["storage", "disk", "secret"])
)
def test_a_whole_uri_stays_as_it_is(path, scheme):
    assume(not path.startswith("//"))  # that names a cluster
    try:
        uri = PARSE.str_to_uri("{}:{}".format(scheme, path))
    except ValueError:
        assume(False)
    assert (uri.scheme, uri.host) == (scheme, "clu")
    assert PARSE.str_to_uri(str(uri)) == uri
    assert ".." not in uri.path.split("/")


@given(st.text())
def test_any_text_is_a_uri_or_refused(text):
    for start in ("", "storage:", "storage://clu/", "storage://"):
        try:
            assert isinstance(PARSE.str_to_uri(start + text), URL)
        except ValueError:
            pass


def test_a_local_path_is_a_uri_where_files_are_allowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for text, name in (("a b", "a b"), ("~/x", "x"), ("./y", "y"), ("a/b:c", "a/b:c")):
        uri = PARSE.str_to_uri(text, allowed_schemes=("file", "storage"))
        assert uri.scheme == "file"
        assert PARSE.uri_to_path(uri) == tmp_path / name
    for text, name in (("file:a%20b", "a b"), ("file:~/x", "x"), ("file:./y", "y"), ("file:", "")):
        for allowed in ((), ("file", "storage")):
            uri = PARSE.str_to_uri(text, allowed_schemes=allowed)
            assert str(uri) == str(PARSE.path_to_uri(tmp_path / name))
    assert str(PARSE.str_to_uri("file:///a/b")) == "file:///a/b"
    assert PARSE.str_to_uri("storage:a", allowed_schemes=("file", "storage")).scheme == "storage"


@pytest.mark.parametrize("text", ["file://other/a", "file:a?b", "file:a#b", ":a", "://clu/a"])
def test_what_is_no_file_of_this_machine_and_what_has_no_scheme_is_refused(text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        PARSE.str_to_uri(text)


def test_a_home_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="no-such-user"):
        PARSE.str_to_uri("~no-such-user-anywhere/x", allowed_schemes=("file",))


def test_only_the_uri_of_a_file_has_a_path():
    assert PARSE.uri_to_path(PARSE.path_to_uri(Path("/a/ü b"))) == Path("/a/ü b")
    with pytest.raises(ValueError, match="no file: URI"):
        PARSE.uri_to_path(URL("storage://clu/x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("storage:data:/data", Volume(URL("storage://clu/org/proj/data"), "/data")),
        ("storage:data:/data:ro", Volume(URL("storage://clu/org/proj/data"), "/data", True)),
        ("storage:data:/data:rw", Volume(URL("storage://clu/org/proj/data"), "/data", False)),
        ("storage:/p/x:/x", Volume(URL("storage://clu/org/p/x"), "/x")),
        ("storage://c2/o/p:/x:ro", Volume(URL("storage://c2/o/p"), "/x", True)),
        ("storage:a%3Ab:/x", Volume(URL("storage://clu/org/proj/a:b"), "/x")),
    ],
)
def test_a_volume_is_read(text, expected):
    assert PARSE.volume(text) == expected


def test_a_volume_is_meant_where_it_is_said():
    found = PARSE.volume("storage:a:/a", cluster_name="two", org_name="org2")
    assert str(found.storage_uri) == "storage://two/org2/proj/a"
    assert PARSE.volume("storage:a:/a", None, None) == PARSE.volume("storage:a:/a")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("storage:data", "Invalid volume specification 'storage:data'"),
        ("storage:a:/b:ro:x", "Invalid volume specification"),
        ("storage:data:/data:no", "Wrong ReadWrite/ReadOnly mode"),
        ("storage:data:/data:", "Wrong ReadWrite/ReadOnly mode"),
        ("disk:data:/data", "invalid scheme 'disk:'"),
        ("data:/a:/b", "invalid scheme 'data:'"),
    ],
)
def test_what_is_no_volume_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        PARSE.volume(text)


def test_volumes_are_told_apart_by_their_schemes_and_keep_their_order():
    found = PARSE.volumes(
        ["disk:d:/d:ro", "storage:b:/b", "secret:k:/k", "storage:a:/a:ro", "disk:e:/e"]
    )
    base = "://clu/org/proj/"
    assert found.volumes == [
        Volume(URL("storage" + base + "b"), "/b"),
        Volume(URL("storage" + base + "a"), "/a", True),
    ]
    assert found.secret_files == [SecretFile(URL("secret" + base + "k"), "/k")]
    assert found.disk_volumes == [
        DiskVolume(URL("disk" + base + "d"), "/d", True),
        DiskVolume(URL("disk" + base + "e"), "/e"),
    ]


@pytest.mark.parametrize(
    "text", ["HOME", "ALL", "secret:k:/k:ro", "secret:k", "disk:d", "nfs:a:/a"]
)
def test_what_is_no_volume_of_any_kind_is_refused(text):
    with pytest.raises(ValueError):
        PARSE.volumes([text])


def test_volumes_are_meant_in_the_cluster_that_is_given():
    found = PARSE.volumes(["storage:a:/a", "secret:k:/k", "disk:d:/d"], cluster_name="two")
    uris = [found.volumes[0].storage_uri, found.secret_files[0].secret_uri]
    uris.append(found.disk_volumes[0].disk_uri)
    assert {uri.host for uri in uris} == {"two"}


@pytest.mark.parametrize(
    ("method", "ours", "theirs", "value"),
    [
        ("remote_image", "text", "image", "image:a"),
        ("local_image", "text", "image", "a"),
        ("volume", "text", "volume", "storage:a:/a"),
        ("volumes", "texts", "volume", ["storage:a:/a", "disk:d:/d"]),
        ("str_to_uri", "text", "id_or_name_or_uri", "storage:a"),
    ],
)
def test_an_argument_has_the_name_of_the_asyncio_sdk_too(method, ours, theirs, value):
    call = getattr(PARSE, method)
    expected = call(value)
    assert next(iter(inspect.signature(call).parameters)) == ours
    assert call(**{ours: value}) == call(**{theirs: value}) == expected
    for args, options in (((value,), {theirs: value}), ((), {ours: value, theirs: value})):
        with pytest.raises(TypeError, match="{!r} or {!r}".format(ours, theirs)):
            call(*args, **options)
    with pytest.raises(TypeError, match=ours):
        call()
    with pytest.raises(TypeError, match="nonsense"):
        call(nonsense=value)


@given(st.lists(st.text(), max_size=3))
def test_any_texts_are_volumes_or_refused(texts):
    for start in ("storage:", "secret:", "disk:", ""):
        try:
            PARSE.volumes([start + text for text in texts])
        except ValueError:
            pass


def test_an_environment_is_read(monkeypatch):
    monkeypatch.setenv("MINE", "from here")
    monkeypatch.delenv("NOWHERE", raising=False)
    found = PARSE.envs(
        ["A=1", "B=a=b", "EMPTY=", "MINE", "NOWHERE", "K=secret:key", "A=2", "S= x "]
    )
    assert found.env == {
        "A": "2",
        "B": "a=b",
        "EMPTY": "",
        "MINE": "from here",
        "NOWHERE": "",
        "S": " x ",
    }
    assert found.secret_env == {"K": URL("secret://clu/org/proj/key")}


def test_files_come_before_what_is_said(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes("\ufeffA=1\r\n\n  # a comment\n   B=2  \nC='quoted'\n".encode())
    second.write_bytes("B=ü\nD=secret:/p/k".encode())
    found = PARSE.envs(["A=said"], [str(first), str(second)])
    assert found.env == {"A": "said", "B": "ü", "C": "'quoted'"}
    assert found.secret_env == {"D": URL("secret://clu/org/p/k")}


def test_the_spaces_at_the_end_of_a_line_are_of_the_value(tmp_path):
    (tmp_path / "env").write_text("A=1  \n")
    assert PARSE.envs([], [str(tmp_path / "env")]).env == {"A": "1  "}


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        PARSE.envs([], [str(tmp_path / "nothing")])


@given(st.dictionaries(st.text("ABC_", min_size=1), st.text()))
def test_any_values_come_through(values):
    assume(not any(value.startswith("secret:") for value in values.values()))
    found = PARSE.envs(["{}={}".format(name, value) for name, value in values.items()])
    assert found.env == values
    assert found.secret_env == {}
