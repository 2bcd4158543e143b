"""Texts of others, fit to be shown."""

__all__ = ["printable"]


def printable(text: str) -> str:
    """A text of others in a single line, with what a terminal would obey as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
