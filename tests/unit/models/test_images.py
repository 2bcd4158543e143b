"""Images as objects: made, shown, written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync import LocalImage, RemoteImage

names = st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}", fullmatch=True)
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
