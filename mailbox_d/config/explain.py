"""Pydantic's refusals as faults in our own words, each at its place in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mailbox_d.config.faults import Fault, KeyPath, Refusal, WrongKind, closest, kind, shown, unknown
from mailbox_d.config.source import Document

MOST_FAULTS = 100
"""Nobody reads more, and looking for what was meant takes its time."""

KEY_MARK = "[key]"
"""What pydantic puts behind a mapping's key when the key itself is refused."""

_WANTED_KIND: Mapping[str, str] = {
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def explain(document: Document, error: ValidationError, model: type[BaseModel], most: int = MOST_FAULTS) -> list[Fault]:
    """A fault for each thing that the model refused in the document, up to `most`.

    A key that is missing because it was misspelt is told once, as the unknown key that it became.
    """
    details = error.errors(include_url=False)[:most]
    misspelt = set(_meant_keys(details, model))
    told = (each for each in details if each["type"] != "missing" or error_path(each) not in misspelt)
    return [_fault(document, detail, model) for detail in told]


def error_path(detail: ErrorDetails) -> KeyPath:
    """The key path that an error is about."""
    return tuple(step for step in detail["loc"] if step != KEY_MARK)


def _meant_keys(details: Sequence[ErrorDetails], model: type[BaseModel]) -> Iterator[KeyPath]:
    """The keys that unknown ones were probably meant to be."""
    for detail in details:
        path = error_path(detail)
        section = _section_at(model, path[:-1]) if detail["type"] == "extra_forbidden" else None
        if section is not None and (meant := closest(str(path[-1]), section.model_fields)) is not None:
            yield (*path[:-1], meant)


def _fault(document: Document, detail: ErrorDetails, model: type[BaseModel]) -> Fault:
    path = error_path(detail)
    words = _WORDS.get(detail["type"], _wrong_kind)
    problem, expected = words(document, path, detail, model)
    about_the_key = detail["loc"][-1:] == (KEY_MARK,) or detail["type"] in {"missing", "extra_forbidden"}
    whole_section = isinstance(detail["input"], (dict, list, BaseModel))
    return document.fault(path, problem, expected, at_key=about_the_key or whole_section)


Words = tuple[str, str]


def _missing(document: Document, path: KeyPath, detail: ErrorDetails, model: type[BaseModel]) -> Words:
    section = _section_at(model, path[:-1])
    description = section.model_fields[str(path[-1])].description if section is not None else None
    summary = (description or "it").partition(":")[0].rstrip(".")
    return "this key is missing", summary[:1].lower() + summary[1:]


def _unknown_key(document: Document, path: KeyPath, detail: ErrorDetails, model: type[BaseModel]) -> Words:
    section = _section_at(model, path[:-1])
    return unknown("this key", str(path[-1]), section.model_fields if section is not None else ())


def _own_words(document: Document, path: KeyPath, detail: ErrorDetails, model: type[BaseModel]) -> Words:
    refusal = detail.get("ctx", {}).get("error")
    if isinstance(refusal, WrongKind):
        return f"this is {kind(detail['input'], document.written(path))}", refusal.expected
    if isinstance(refusal, Refusal):
        return refusal.problem, refusal.expected
    return _wrong_kind(document, path, detail, model)


def _not_a_choice(document: Document, path: KeyPath, detail: ErrorDetails, model: type[BaseModel]) -> Words:
    choices = str(detail.get("ctx", {}).get("expected", "")).replace("'", "")
    value = detail["input"]
    if not isinstance(value, str):
        return f"this is {kind(value, document.written(path))}", choices
    return f"{shown(value)} is not possible", choices


def _wrong_kind(document: Document, path: KeyPath, detail: ErrorDetails, model: type[BaseModel]) -> Words:
    wanted = _WANTED_KIND.get(detail["type"], "another kind of value")
    return f"this is {kind(detail['input'], document.written(path))}", wanted


_WORDS: Mapping[str, Callable[[Document, KeyPath, ErrorDetails, type[BaseModel]], Words]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "value_error": _own_words,
    "literal_error": _not_a_choice,
}


def _section_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model of the section at a key path."""
    annotation: Any = model
    for step in path:
        annotation = _step(_bare(annotation), step)
    found = _bare(annotation)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _step(annotation: Any, step: str | int) -> Any:
    """The annotation of a section's field, a list's item or a mapping's value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(step))
        return field.annotation if field is not None else None
    arguments = get_args(annotation)
    return (arguments[1] if get_origin(annotation) is dict else arguments[0]) if arguments else None


def _bare(annotation: Any) -> Any:
    """An annotation without `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return _bare(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation
