"""Where tokens come from."""

from abc import ABC, abstractmethod
from typing import Callable, Optional, Union

from ..wire.paths import header_value

__all__ = ["CallableToken", "StaticToken", "TokenSource", "token_source"]


class TokenSource(ABC):
    """Gives the token of each request. Used from several threads."""

    @abstractmethod
    def token(self, seconds: Optional[float] = None) -> str:
        """A token that is valid, as far as this machine knows; refreshed before, where it is not.

        Args:
            seconds: that the caller has left, where it has a limit and the source can keep one.

        Raises:
            AuthenticationError: there is none and none to be had: the user has to log in again.
            ConnectionFailed: it could not be refreshed, or not in time.
        """

    @abstractmethod
    def refresh(self, rejected: str, seconds: Optional[float] = None) -> bool:
        """The server refused a token with 401. True: there is another one now."""

    def close(self) -> None:
        """Close what it has open; it can be used again."""
        return

    def __repr__(self) -> str:
        return "<{}>".format(type(self).__name__)


class StaticToken(TokenSource):
    """A token that stays as it is."""

    def __init__(self, token: str) -> None:
        self._token = _checked(token)

    def token(self, seconds: Optional[float] = None) -> str:
        return self._token

    def refresh(self, rejected: str, seconds: Optional[float] = None) -> bool:
        return False


class CallableToken(TokenSource):
    """A token that the user's own function gives, for each request anew."""

    def __init__(self, function: Callable[[], str]) -> None:
        self._function = function

    def token(self, seconds: Optional[float] = None) -> str:
        return _checked(self._function())

    def refresh(self, rejected: str, seconds: Optional[float] = None) -> bool:
        return self.token() != rejected


def token_source(token: Union[str, Callable[[], str]]) -> TokenSource:
    """The source for a token, or for a function that returns one.

    Raises:
        TypeError: it is neither.
        ValueError: it would break a header. No message shows it.
    """
    if isinstance(token, str):
        return StaticToken(token)
    if not callable(token):
        raise TypeError(
            "token must be a str, or a callable that returns one, not {}".format(
                type(token).__name__
            )
        )
    return CallableToken(token)


def _checked(token: str) -> str:
    if not isinstance(token, str):
        # Never say what it is: it may be the token in another form.
        raise TypeError("a token must be a str, not {}".format(type(token).__name__))
    return header_value(token, "the token")
