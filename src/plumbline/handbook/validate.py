"""Hold located data against a closed schema, and say on which line it fails."""

from __future__ import annotations

import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from plumbline.handbook.complaints import Complaint, hint
from plumbline.positions import Located

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], located: Located, path: str, *prefix: str) -> tuple[Model | None, list[Complaint]]:
    """Return the validated record, or None and every complaint.

    Args:
        model: The closed schema.
        located: The data, with positions.
        path: The file, for the complaints.
        prefix: Keys that lead to the part of the data to validate.
    """
    complaints = [] if prefix else [Complaint(path, line, sentence) for line, sentence in located.faults]
    data = located.data
    for key in prefix:
        data = data[key]
    if not isinstance(data, dict):
        if not complaints:
            complaints.append(
                Complaint(
                    path, located.line(*prefix), f"expected keys ({', '.join(_names(model))}), found {_kind(data)}"
                )
            )
        return None, complaints
    try:
        return model.model_validate(data), complaints
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            line = located.line(*prefix, *detail["loc"])
            complaints.append(Complaint(path, line, _sentence(model, detail)))
        return None, complaints


def _sentence(model: type[BaseModel], detail: ErrorDetails) -> str:
    loc = detail["loc"]
    where = ".".join(str(part) for part in loc)
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{loc[-1]}'{hint(str(loc[-1]), _names(_model_at(model, loc[:-1])))}"
    if detail["type"] == "missing":
        return f"key '{where}' is missing"
    given = detail["input"]
    if detail["type"] == "literal_error":
        expected = str(detail.get("ctx", {}).get("expected", ""))
        known = [name.strip("'") for name in expected.replace(" or ", ", ").split(", ")]
        return f"'{where}' is '{given}', but must be {expected}{hint(str(given), known)}"
    if detail["type"] == "string_type" and isinstance(given, int | float):
        return f"'{where}' is the number {given}; put it in quotes to make it text"
    if detail["type"] == "string_type" and isinstance(given, dict):
        return f"'{where}' is a mapping; if it is one sentence, put it in quotes, because ': ' makes a key"
    said = detail["msg"].removeprefix("Value error, ")
    return f"'{where}': {said}" if where else said


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner(model.model_fields[part].annotation) or model
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        if found := _inner(argument):
            return found
    return None


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _kind(data: Any) -> str:
    if data is None:
        return "nothing"
    return "a list" if isinstance(data, list) else repr(data)
