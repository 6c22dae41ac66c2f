"""What is generated from the model is current, and says what the model says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailbox_d.config.limits import Limits
from mailbox_d.config.model import Configuration
from mailbox_d.config.schema import DOCUMENT, SCHEMA_FILE, json_schema, limits_table, with_limits_table
from mailbox_d.config.source import read_document

TOP = Path(__file__).resolve().parents[3]


def descriptions(schema: Any) -> Iterator[tuple[str, str | None]]:
    """Every property of every section, with its description or, for a whole section, the name of its own."""
    for section in (schema, *schema["$defs"].values()):
        for name, entry in section["properties"].items():
            yield name, entry.get("description") or entry.get("$ref")


def test_the_schema_for_editors_is_current() -> None:
    assert (TOP / SCHEMA_FILE).read_text(encoding="utf-8") == json_schema()


def test_the_table_of_limits_is_current() -> None:
    document = (TOP / DOCUMENT).read_text(encoding="utf-8")
    assert with_limits_table(document) == document


def test_every_key_of_the_schema_is_described() -> None:
    assert [name for name, description in descriptions(json.loads(json_schema())) if not description] == []


def test_every_key_is_in_the_documentation() -> None:
    document = (TOP / DOCUMENT).read_text(encoding="utf-8")
    names = {name for name, _ in descriptions(json.loads(json_schema()))}
    assert {name for name in names if f"`{name}`" not in document and f"### {name}\n" not in document} == {
        "certificate",
        "key",
    }
    assert "{certificate: …, key: …}" in document


def test_no_section_of_the_schema_takes_unknown_keys() -> None:
    schema = json.loads(json_schema())
    assert all(section["additionalProperties"] is False for section in (schema, *schema["$defs"].values()))


def test_defaults_of_the_schema_are_values_that_may_be_written() -> None:
    for entry in json.loads(json_schema())["$defs"]["Limits"]["properties"].values():
        if isinstance(entry["default"], str):
            assert re.search(entry["pattern"], entry["default"])


def test_the_table_has_a_row_for_each_limit() -> None:
    rows = limits_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(Limits.model_fields)
    assert "| `message_size` | 50 MiB | 64 KiB to 4 GiB |" in limits_table()


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_limits_table("# Configuration\n")


def test_the_example_of_the_documentation_holds(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", (TOP / DOCUMENT).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "mailboxd.yaml").write_text(found[1], encoding="utf-8")
    document = read_document(tmp_path / "mailboxd.yaml")
    configuration = Configuration.model_validate(document.value, context={"folder": tmp_path})
    assert [endpoint.port for endpoint in configuration.listeners.smtp] == [25]
