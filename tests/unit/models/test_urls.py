"""URLs of answers: those that yarl makes, only sooner."""

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from neuro_sync.models.base import to_url

PIECES = st.sampled_from(
    [
        *"http job Job :// / // . .. - ~ _ a B 1 :80 ? # @ %41 xn--a [::1] 127.0.0.1".split(),
        " ",
        "\n",
        "\u00e9",
    ]
)
PROPERTIES = "scheme authority host port path raw_path parts raw_parts name query_string fragment user".split()


def whole(url):
    """All that can be seen of a URL."""
    seen = {name: getattr(url, name) for name in PROPERTIES}
    return str(url), repr(url), hash(url), seen, str(url / "x"), str(url.with_path("/y"))


@given(st.tuples(st.sampled_from(["http://", "job://", "https://", ""]), st.lists(PIECES)))
@example(("https://", ["job-1.jobs.default.example"]))
@example(("job://", ["default/acme/vision/job-1"]))
@example(("job://", ["default/a/./b/../c"]))
@example(("job://", ["default/.."]))
@example(("job://", ["default/a//b/"]))
@example(("http://", ["a..b/c"]))
@example(("http://", ["-"]))
def test_they_are_those_of_yarl(parts):
    text = parts[0] + "".join(parts[1])
    try:
        expected = URL(text)
        seen = whole(expected)
    except (ValueError, TypeError, IndexError) as error:  # yarl lets the last out
        with pytest.raises(type(error)):
            whole(to_url(text))
    else:
        assert whole(to_url(text)) == seen
        assert to_url(text) == expected
        assert pickle.loads(pickle.dumps(to_url(text))) == expected


@pytest.mark.parametrize("value", [1, None, b"http://a", ["http://a"]])
def test_what_is_no_text_is_none(value):
    with pytest.raises(TypeError):
        to_url(value)
