"""What `--format json` writes, as a page and as JSON Schema; both made from `datmo.cli.schemas`."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from datmo.cli.schemas import DOCUMENTS, Written
from datmo.cli.schemas.kinds import Kind

_PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_FORMS = {"one": "one document", "list": "a list", "lines": "one document a line, as it happens"}

ABOUT = """`--format json` on a command that reads gives one document on standard output: an object, or a list of them
with an entry a line. Where things happen over time (`task run`, `task logs`, `log follow`) it gives one object a line
(NDJSON), each written as soon as it is known. Words still go to standard error, and errors too: then the exit code is
not 0, and standard output is empty, or has of a stream the whole lines so far. What `log verify`, `log replay`,
`snapshot verify` and `task wait` were asked for they write also where it is bad news, which the exit code 1 says.

The keys are a promise: keys are added, never renamed or taken away. Those below are always there, where it is not said
otherwise. Every command uses the same name for the same thing, and `inspect` has every key that `ls` has.

- A *time* is ISO 8601 in UTC, to the microsecond: `2026-01-31T12:00:00.000000Z`.
- *Seconds* are numbers, *bytes* integers.
- An *id* has 16 characters; a *hash* has 64, in hexadecimal.
- What JSON cannot say is an object with one key: a *number* may be `{"$float": "nan"}`, `"inf"` or `"-inf"`. A *text*
  names a file or may do so, and the name of a file need not be Unicode: then it is `{"$text": "…"}`, in base 64, which
  `os.fsencode(base64.b64decode(found).decode("utf-8", "surrogatepass"))` makes the bytes of the name again. A *string*
  is always Unicode. In configuration, results and the data of events also an integer beyond 64 bits is
  `{"$int": "…"}`, bytes are `{"$bytes": "…"}` in base 64.

`datmo docs schema.json` prints the same as JSON Schema, for programs that check what they read: under `commands` what
each command writes."""


def hints(of: Any) -> dict[str, Any]:
    """Return a document's keys with what they hold."""
    return get_type_hints(of, include_extras=True)


def name_of(of: Any) -> str:
    return str(of.__name__).lstrip("_")


def nested(of: Any) -> Iterator[Any]:
    """Yield the documents in a type, those that are in them too."""
    if is_typeddict(of):
        yield of
        for each in hints(of).values():
            yield from nested(each)
    for each in get_args(of):
        yield from nested(each)


def all_documents() -> list[Any]:
    """Return all documents: those that commands write first, each followed by those that are only part of others."""
    found = [each for written in DOCUMENTS.values() for each in nested(written.of)]
    return sorted(dict.fromkeys(found), key=lambda each: (name_of(each) != each.__name__, found.index(each)))


# JSON Schema


def schema() -> str:
    made = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What datmo writes with --format json",
        "commands": {path: {"form": written.form, "schema": _written(written)} for path, written in DOCUMENTS.items()},
        "$defs": {name_of(each): _object(each) for each in all_documents()},
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _written(written: Written) -> dict[str, Any]:
    found = _schema(written.of)
    return {"type": "array", "items": found} if written.form == "list" else found


def _object(of: Any) -> dict[str, Any]:
    keys = hints(of)
    required = [name for name, each in keys.items() if get_origin(each) is not NotRequired]
    properties = {name: _schema(each) for name, each in keys.items()}
    return {"description": inspect.getdoc(of), "type": "object", "required": required, "properties": properties}


def _schema(of: Any) -> dict[str, Any]:
    if is_typeddict(of):
        return {"$ref": f"#/$defs/{name_of(of)}"}
    if of is Any:
        return {}
    if of in _PLAIN:
        return {"type": _PLAIN[of]}
    origin, inner = get_origin(of), get_args(of)
    if origin is NotRequired:
        return _schema(inner[0])
    if origin is Annotated:
        return _annotated(_schema(inner[0]), inner[1:])
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": _schema(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1])}
    if origin in (types.UnionType, Union):
        return {"anyOf": [_schema(each) for each in inner]}
    raise TypeError(f"no JSON Schema for {of}")


def _annotated(found: dict[str, Any], notes: tuple[Any, ...]) -> dict[str, Any]:
    for note in notes:
        if isinstance(note, str):
            found = {**found, "description": note}
        elif isinstance(note, Kind):
            found = found | ({"pattern": note.pattern} if note.pattern else {})
            if note.tag is not None:
                tagged = {"type": "object", "required": [note.tag], "properties": {note.tag: {"type": "string"}}}
                found = {"anyOf": [found, tagged]}
    return found


# The page


def page_parts() -> list[str]:
    commands = ["| command | writes | of |", "|---|---|---|"]
    for path, written in DOCUMENTS.items():
        commands.append(f"| `datmo {path}` | {_FORMS[written.form]} | {type_name(written.of)} |")
    parts = [ABOUT, "## Commands", "\n".join(commands), "## Documents"]
    for each in all_documents():
        lines = ["| key | is | what it is |", "|---|---|---|"]
        for name, kind in hints(each).items():
            what = "; ".join(note for note in _notes(kind) if isinstance(note, str))
            lines.append(f"| `{name}` | {type_name(kind)} | {what} |")
        parts += [f"### {name_of(each)}", str(inspect.getdoc(each)), "\n".join(lines)]
    return parts


def _notes(of: Any) -> Iterator[Any]:
    if get_origin(of) is NotRequired:
        yield from _notes(get_args(of)[0])
    elif get_origin(of) is Annotated:
        yield from get_args(of)[1:]


def type_name(of: Any) -> str:
    """Return what a type is called on the page."""
    kind = next((note.name for note in _notes(of) if isinstance(note, Kind)), None)
    origin, inner = get_origin(of), get_args(of)
    if kind is not None:
        return kind
    if origin in (NotRequired, Annotated):
        return type_name(inner[0])
    if is_typeddict(of):
        return f"[{name_of(of)}](#{name_of(of).lower()})"
    if of is Any:
        return "anything"
    if origin is Literal:
        return ", ".join(f"`{each}`" if each else "an empty string" for each in inner)
    if origin is list:
        return f"list of {type_name(inner[0])}"
    if origin is dict:
        return "object" if inner[1] is Any else f"object of {type_name(inner[1])}"
    if origin in (types.UnionType, Union):
        return " or ".join(type_name(each) for each in inner)
    return _PLAIN[of]
