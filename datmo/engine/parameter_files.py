"""Parameters of a sweep from a file: JSON lines, CSV, or a list in JSON, YAML or TOML, told apart by its ending."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from datmo.core.sweep import MOST, parse_value
from datmo.engine.value_files import read_document
from datmo.errors import InvalidArgument

__all__ = ["read_parameters"]


def read_parameters(path: Path) -> list[dict[str, Any]]:
    """Return the parameters of each task, in the file's order. Blocks.

    Of CSV the first line names the parameters, each further one is a task, and an empty cell is a parameter that is not
    given; numbers, `true` and `false` are what they say. JSON, YAML and TOML hold a list of mappings, or a mapping from
    one name to it (in TOML it has to).

    Raises:
        InvalidArgument: it cannot be read, or holds none.
        YamlMissing: it is YAML, and there is nothing to read it with.
    """
    ending = path.suffix.lower()
    try:
        if ending in (".jsonl", ".ndjson"):
            rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        elif ending in (".csv", ".tsv"):
            rows = _table(path.read_text(encoding="utf-8-sig"), "\t" if ending == ".tsv" else ",")
        else:
            rows = _listed(read_document(path))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InvalidArgument(f"no parameters can be read from {path}: {' '.join(str(error).split())}") from error
    if wrong := next((row for row in rows if not isinstance(row, dict) or not row or "" in row), None):
        raise InvalidArgument(f"an entry of {path} is no mapping of names to values: {wrong!r}")
    if not rows or not all(rows) or len(rows) > MOST:
        raise InvalidArgument(f"{path} holds {len(rows)} tasks", hint=f"give 1 to {MOST}, each with parameters")
    return rows


def _table(text: str, delimiter: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more cells than the first one")
        rows.append({name.strip(): parse_value(cell.strip()) for name, cell in row.items() if cell and cell.strip()})
    return rows


def _listed(document: Any) -> list[Any]:
    if isinstance(document, dict) and len(document) == 1:
        (document,) = document.values()
    if not isinstance(document, list):
        raise ValueError("it holds no list")
    return document
