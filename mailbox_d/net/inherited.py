"""Sealing off what twisted.mail's classes would do by themselves.

The shell never calls their line loops; sealing makes sure that no command method of theirs can be reached by any other
way either. What stays in use is written down in `docs/twisted.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

_C = TypeVar("_C", bound=type)


def inherited_methods(cls: type) -> dict[str, type]:
    """Names that resolve, on `cls`, to a method defined in twisted.mail, and the class that defines each."""
    found: dict[str, type] = {}
    for owner in reversed(cls.__mro__):
        for name, value in vars(owner).items():
            if is_method(value) and not name.startswith("__"):
                found[name] = owner
    return {name: owner for name, owner in found.items() if owner.__module__.startswith("twisted.mail")}


def is_method(value: object) -> bool:
    """Whether a class's attribute does something: a function, a property, or a tuple with functions in it.

    Such tuples are how IMAP4Server pairs its commands with the parsers of their arguments.
    """
    if isinstance(value, tuple):
        return any(map(callable, value))
    return callable(value) or isinstance(value, property)


def without_inherited(*, keep: frozenset[str]) -> Callable[[_C], _C]:
    """A class decorator: every method inherited from twisted.mail but those in `keep` raises when it is called."""

    def seal(cls: _C) -> _C:
        for name in inherited_methods(cls).keys() - keep:
            setattr(cls, name, _sealed(name))
        return cls

    return seal


def _sealed(name: str) -> Callable[..., NoReturn]:
    def sealed(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f"twisted.mail's {name} is not used here")

    sealed.__name__ = name
    return sealed
