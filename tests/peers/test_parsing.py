"""What the platform's newest SDK reads in the texts of users is what we read in them."""

import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from .comparing import NEWEST_FIELDS

PARSED = {
    "remote_image": [
        {"image": text}
        for text in (
            "ubuntu ubuntu:1 lib/ubuntu:1 ghcr.io/a/b image:a image:a/b image:123 image:/other/a:v1 "
            "image:///other/a:v1 image://default/proj2/a image://default/acme/proj2/a:v image://second/p/a "
            "registry.default.example/acme/vision/a:v1 registry.default.example/vision/a "
            "image:latest image: image:/a image://default image://default/a image://default/acme/a a: :t a:b:c "
            "-a image:a?x image:a#x image://u@default/p/a image:A image:a:" + "t" * 129
        ).split()
    ]
    + [{"image": ""}],
    "local_image": [{"image": text} for text in ("a", "a:1", "a:b:c", "-a", "image:a", "")],
    "volume": [
        {"volume": text}
        for text in (
            "storage:a:/b storage:a:/b:ro storage:a:/b:rw storage:/zoo/a:/b storage://second/x:/b "
            "storage:a:/b:rx storage:a storage:a:/b:ro:x secret:a:/b disk:a:/b storage:a?b:/c storage:~a:/b"
        ).split()
    ],
    "volumes": [
        {"volume": ["storage:a:/b", "secret:k:/k", "disk:d:/d:ro"]},
        {"volume": ["secret:k:/k:ro"]},
        {"volume": ["HOME"]},
        {"volume": ["ALL"]},
        {"volume": []},
    ],
    "envs": [{"env": ["A=b", "C=secret:x", "D=", "E=a=b"]}, {"env": []}],
    "str_to_uri": [
        {"id_or_name_or_uri": text}
        for text in (
            "storage: storage:a/b storage:/x/y storage:///x/y storage:/ storage://second/any storage://default "
            "storage:a%23b storage:a/../b storage:../x storage:../../../x storage:a%2Fb storage:%7Ea "
            "storage://SECOND/x storage:123 storage:a/ secret:k secret:/p/k disk:d disk:/p/d job:x storage:a?b "
            "storage:a#b storage:~x storage://u@default/x storage://default:1/x storage:a/./b plain "
            "storage:// storage:/// storage:////x storage:/%2Fx storage:c:d storage:%zz"
        ).split()
    ]
    + [
        {"id_or_name_or_uri": "storage:a b"},
        {"id_or_name_or_uri": "storage:a", "short": True},
        {"id_or_name_or_uri": "storage:/zoo/a", "short": True},
        {"id_or_name_or_uri": "storage://second/x", "short": True},
        {"id_or_name_or_uri": "storage:a", "project_name": "zoo"},
        {"id_or_name_or_uri": "storage:a", "cluster_name": "second"},
        {"id_or_name_or_uri": "storage:a", "org_name": None},
        {"id_or_name_or_uri": "secret:a", "allowed_schemes": ["storage"]},
    ],
    "normalize_uri": [{"uri": {"$url": "storage:a/b"}}, {"uri": {"$url": "storage://second/x"}}],
}
FIELDS = dict(
    {name: names.split() for name, names in NEWEST_FIELDS.items()},
    VolumeParseResult=["volumes", "secret_files", "disk_volumes"],
    EnvParseResult=["env", "secret_env"],
    LocalImage=["name", "tag"],
)

# Where we differ on purpose, and why.
DELIBERATE = {
    "the organisation is told from the project": [
        ("remote_image", {"image": "image://default/other/vision/a:v"}),
        ("remote_image", {"image": "registry.default.example/other/vision/a:v"}),
    ],
    "digests, and all separators of Docker's, are read and not refused": [
        ("remote_image", {"image": "ubuntu@sha256:" + "0a" * 32}),
        ("remote_image", {"image": "image:a:v@sha256:" + "0a" * 32}),
        ("remote_image", {"image": "image:a__b"}),
        ("remote_image", {"image": "a--b"}),
    ],
    "no cluster has such a name": [
        ("str_to_uri", {"id_or_name_or_uri": "storage://a%20b/x"}),
        ("str_to_uri", {"id_or_name_or_uri": "storage://\u00e9/x"}),
    ],
    "no project has such a name": [
        ("remote_image", {"image": "image:/%7Ex/a"}),
        ("remote_image", {"image": "image://second/x y/a"}),
    ],
    "capitals, which no registry takes, are refused before the first slash, too": [
        ("remote_image", {"image": "image:A/a"})
    ],
    "an escape that is no text is refused, and not taken for other characters": [
        ("str_to_uri", {"id_or_name_or_uri": "storage:%ac"}),
    ],
    "an empty port is refused like any port, an empty user like any user": [
        ("str_to_uri", {"id_or_name_or_uri": "storage://default:/x"}),
        ("str_to_uri", {"id_or_name_or_uri": "storage://@default/x"}),
    ],
    "a tab is a character of the name; the other client drops it": [
        ("str_to_uri", {"id_or_name_or_uri": "storage:a\tb"}),
    ],
}


def _parse(both, method, arguments):
    both.comparisons += 1
    order = {"on": "parse", "method": method, "arguments": arguments, "fields": FIELDS}
    return both.peer(order)[0], both.us(order)[0]


def _same(theirs, ours):
    return ours.get("error") == theirs["error"] if "error" in theirs else ours == theirs


@pytest.mark.parametrize(
    ("method", "arguments"),
    [(method, arguments) for method, cases in PARSED.items() for arguments in cases],
)
def test_a_text_is_parsed_the_same(newest, method, arguments):
    theirs, ours = _parse(newest, method, arguments)
    assert _same(theirs, ours), (theirs, ours)


@pytest.mark.parametrize(
    ("method", "arguments"), [case for cases in DELIBERATE.values() for case in cases]
)
def test_a_deliberate_difference_is_still_one(newest, method, arguments):
    theirs, ours = _parse(newest, method, arguments)
    assert not _same(theirs, ours), "no difference any more: take it out of the table"


SETTINGS = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_SEGMENTS = (
    "a B zoo acme vision .. . %20 %2F %23 %7E \u00e9 123 ~x a~ [x] +& % %zz - c:d x\\y _".split()
)
_URIS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["storage:", "secret:", "disk:", "job:", "STORAGE:"]),
    st.sampled_from(["", "/", "///", "//second/", "//second/a/", "//default/acme/", "//DEFAULT/"]),
    st.lists(st.sampled_from([*_SEGMENTS, "a b", ""]), max_size=4).map("/".join),
    st.sampled_from(["", "", "", "/", "?", "#", "?a#b"]),
)
_NAMES = st.builds(
    "{}{}{}".format,
    st.sampled_from(
        [
            *"image: image:/ image:/zoo/ image://second/zoo/ image://default/acme/zoo/ ghcr.io/".split(),
            *"registry.default.example/acme/zoo/ r2.example:5000/acme/zoo/ -".split(),
            "",
        ]
    ),
    # Theirs looks only behind the first slash.
    st.builds(
        lambda first, rest: "/".join([first, *rest]),
        st.sampled_from(["a", "b1", "a.b", "0", ""]),
        st.lists(st.sampled_from("a b1 a.b a_b a-b A .a a. -a 0".split()), max_size=2),
    ),
    st.sampled_from(["", ":latest", ":v1", ":V.1_-", ":", "::", ":-x", "/", ":a:b"]),
)


@SETTINGS
@given(text=_URIS, short=st.booleans())
def test_any_uri_is_parsed_the_same(newest, text, short):
    # To theirs an escaped slash at the end is one to be left out.
    assume(not (short and "%2F" in text))
    # Theirs takes anything for the name of a cluster.
    assume(re.match(r"\w+:(?!//[^/?#])|\w+://[A-Za-z0-9][A-Za-z0-9._-]*([/?#]|$)", text))
    theirs, ours = _parse(newest, "str_to_uri", {"id_or_name_or_uri": text, "short": short})
    assert _same(theirs, ours), (theirs, ours)


@SETTINGS
@given(text=_NAMES)
def test_any_image_is_parsed_the_same(newest, text):
    theirs, ours = _parse(newest, "remote_image", {"image": text})
    assert _same(theirs, ours), (theirs, ours)
