"""``python -m tests.peers`` prints where we differ from the platform's own SDKs on purpose, and why."""

import textwrap

from . import comparing, orders, test_configs, test_errors, test_parsing


def differences():
    """Where, what, why."""
    for what, (_, reason) in orders.DELIBERATE.items():
        yield "requests", what, reason
    for pattern, _, reason in comparing.DELIBERATE:
        yield "jobs", pattern.replace(r"\.\d+", "").replace("\\", "").strip("^$?"), reason
    for (peer, generation), attributes in test_configs.DELIBERATE.items():
        for attribute, reason in attributes.items():
            yield "config", "{} ({} SDK, server of {})".format(attribute, peer, generation), reason
    for peers, _, name, reason in test_errors.DELIBERATE:
        yield "errors", "{} ({})".format(name, ", ".join(peers)), reason
    for reason, cases in test_parsing.DELIBERATE.items():
        for method, arguments in cases:
            yield method, ", ".join(map(ascii, arguments.values())), reason
    yield "streams", "empty messages", "they mark a start, and are no part of the output"
    yield (
        "exec",
        "exit code 0",
        "is no error: read_out() returns None, the others raise StdStreamError(0)",
    )
    yield "login", "state", "protects the login in the browser; the others send none"


def main():
    last = None
    for where, what, reason in differences():
        if where != last:
            print("{}{}".format("" if last is None else "\n", where))
            last = where
        text = textwrap.fill(reason, 76, initial_indent=" " * 8, subsequent_indent=" " * 8)
        print("    {}\n{}".format(what, text))


if __name__ == "__main__":
    main()
