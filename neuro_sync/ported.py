"""What lets code that is ported from the platform's asyncio SDK keep its keywords."""

import functools
from typing import Any, Callable, TypeVar, cast

__all__ = ["also_named"]

F = TypeVar("F", bound=Callable[..., Any])


def also_named(**names: str) -> Callable[[F], F]:
    """Lets a method's first argument be given by the name that it has in the asyncio SDK, too.

    Args:
        **names: ``theirs="ours"``, one of them.
    """
    [(theirs, ours)] = names.items()

    def decorate(method: F) -> F:
        @functools.wraps(method)
        def named(self: Any, *args: Any, **options: Any) -> Any:
            if theirs in options:
                if args or ours in options:
                    message = "{}() takes {!r} or {!r}, which is the same, and not both"
                    raise TypeError(message.format(method.__name__, ours, theirs))
                options[ours] = options.pop(theirs)
            return method(self, *args, **options)

        return cast(F, named)

    return decorate
