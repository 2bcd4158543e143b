"""Images as objects: made, shown, written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import LocalImage, ProtocolError, RemoteImage
from neuro_sync.models.images import PlatformImages, decode_image
from neuro_sync.wire.texts import printable

names = st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", fullmatch=True)
REGISTRIES = {"one": "reg.example", "two": "r2.example:5000"}
IMAGES = PlatformImages(REGISTRIES, {"one": ["org"]})
DIGEST = "@sha256:" + "0" * 64
pieces = st.sampled_from(
    [*REGISTRIES.values(), DIGEST, *"org a b / // : @ h:80 latest".split(), " ", "\n"]
)
tags = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}", fullmatch=True)


@pytest.mark.parametrize(
    ("image", "text", "reference", "with_scheme"),
    [
        (RemoteImage("ubuntu"), "ubuntu", "ubuntu", "ubuntu"),
        (RemoteImage("ubuntu", "22.04"), "ubuntu:22.04", "ubuntu:22.04", "ubuntu:22.04"),
        (RemoteImage("a/b", "t", "localhost:5000"), *["localhost:5000/a/b:t"] * 3),
        (RemoteImage("a", digest="sha256:ab"), *["a@sha256:ab"] * 3),
        (
            RemoteImage("a", "v1", "reg", "c", "o", "p"),
            "image://c/o/p/a:v1",
            "reg/o/p/a:v1",
            "https://reg/o/p/a:v1",
        ),
        (
            RemoteImage("a", None, "reg:5000", "c", None, "p"),
            "image://c/p/a",
            "reg:5000/p/a",
            "https://reg:5000/p/a",
        ),
    ],
)
def test_an_image_has_two_spellings(image, text, reference, with_scheme):
    assert str(image) == text
    assert image.as_docker_url() == reference
    assert image.as_docker_url(with_scheme=True) == with_scheme
    assert repr(image) == "<RemoteImage {}>".format(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cluster_name": "c", "project_name": "p"},
        {"registry": "reg", "cluster_name": "c"},
        {"registry": "reg", "project_name": "p"},
    ],
)
def test_an_image_is_of_the_platform_wholly_or_not_at_all(wrong):
    with pytest.raises(ValueError, match="an image of the platform needs"):
        RemoteImage("a", **wrong)


@given(names, tags, st.none() | st.just("sha256:" + "0" * 64))
def test_an_image_is_equal_after_a_round_trip(name, tag, digest):
    for image in (
        RemoteImage(name, tag, digest=digest),
        RemoteImage(name, tag, "reg:5000", "c", "o", "p", digest),
    ):
        assert RemoteImage.from_json(image.to_json()) == image
    local = LocalImage(name, tag)
    assert LocalImage.from_json(local.to_json()) == local


def test_a_local_image_is_shown_as_docker_shows_it():
    assert str(LocalImage("a", "v1")) == "a:v1"
    assert str(LocalImage("a")) == "a"


@given(st.text() | st.lists(pieces, max_size=8).map("".join))
def test_any_text_of_a_server_is_an_image_and_none_of_it_gets_lost(text):
    image = decode_image(text)
    assert image.as_docker_url() in (text, text + ":latest")
    assert decode_image(image.as_docker_url()) == image
    located = IMAGES.located(image, "one", "org", "a")
    assert located.as_docker_url() == image.as_docker_url()
    assert RemoteImage.from_json(located.to_json()) == located
    assert repr(located) == printable("<RemoteImage {}>".format(located))


@pytest.mark.parametrize("text", ["", ":", "a:", "a:" + DIGEST, "h:80/", "h:80/b:"])
def test_no_tag_is_added_where_none_can_be(text):
    assert decode_image(text).as_docker_url() == text


@pytest.mark.parametrize("path", ["", "/", "/a", "a", "a/", "org//a", "org/a/", "org/a//b", "a//b"])
def test_a_path_with_a_gap_in_it_is_in_no_project(path):
    text = "reg.example/{}:v1".format(path)
    image = IMAGES.located(decode_image(text), "one", "org", "a")
    assert not image.is_platform_image
    assert str(image) == text


@pytest.mark.parametrize("wrong", [{"name": 5}, {"name": "a", "tag": 1}, {"tag": "v1"}, []])
def test_what_is_no_image_breaks_the_protocol(wrong):
    with pytest.raises(ProtocolError):
        decode_image(wrong)
