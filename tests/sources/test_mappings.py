"""Mappings: what is wrong with one is said before a row is read; a draft of one."""

from __future__ import annotations

import io
import re
import tomllib
from pathlib import Path

import pytest

from seat_ledger.cli.inputs.mapping_file import mapping_named
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.choosing import draft_of, fits_of
from seat_ledger.sources.mapping import Rule, read_mapping
from seat_ledger.sources.shipped import shipped_mapping, shipped_names, shipped_text
from tests.sources.exported import EXPORTS, changed, converted, export_of, listed

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "cli" / "topics" / "sources"
AUDIT = "github-copilot-audit"
SEATS = "github-copilot-seats"


def test_each_shipped_mapping_has_its_page_and_its_export() -> None:
    names = set(shipped_names())
    assert {page.stem for page in PAGES.glob("*.md")} == names
    assert {file.name.split(".")[0] for file in EXPORTS.iterdir()} == names
    for name in names:
        assert shipped_mapping(name).source == name
        assert (PAGES / f"{name}.md").read_text().startswith(f"# {name}: ")


def test_each_shipped_mapping_is_linked_from_the_page_about_files() -> None:
    page = (ROOT / "cli" / "topics" / "sources.md").read_text()
    site = (ROOT / "mkdocs.yml").read_text()
    for name in shipped_names():
        assert f"| [{name}](sources/{name}.md) | {shipped_mapping(name).kind} |" in page
        assert f"cli/topics/sources/{name}.md" in site


def test_the_mapping_in_the_documentation_is_one_and_so_are_its_rules() -> None:
    page = (ROOT / "cli" / "topics" / "mappings.md").read_text()
    whole, *parts = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert read_mapping(whole, "page").kind == "events"
    rules = [Rule.model_validate(tomllib.loads(part)["rule"][0]) for part in parts]
    assert [rule.op for rule in rules] == ["holds", "line"]


def test_the_documentation_names_every_word_of_a_mapping() -> None:
    page = (ROOT / "cli" / "topics" / "mappings.md").read_text()
    words = set(re.findall(r"`\[?\[?([a-z_.]+)\]?\]?`", page))
    schema = read_mapping(shipped_text(AUDIT), AUDIT).model_json_schema()
    for part in [schema, *schema["$defs"].values()]:
        for word in part["properties"]:
            names = {word, f"page.{word}"}
            assert names & words or word in {"rule", "tables", "fields"}, word


@pytest.mark.parametrize("name", shipped_names())
def test_a_file_is_known_by_its_columns(name: str) -> None:
    with export_of(name).open("rb") as stream:
        fits = [fit for fit in fits_of(stream, "file") if fit.fits]
    assert [fit.name for fit in fits] == [name]
    assert fits[0].problem is None
    assert fits[0].tally is not None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "events"', 'kind = "logs"', "'kind': "),
        ("schema = 1", "schema = 2", "'schema': "),
        ('title = "', 'note = "x"\ntitle = "', "'note' is not a word of a mapping"),
        ('id = "{_document_id}"', "", "a mapping of events says 'time' and 'id'"),
        ('id = "{_document_id}"', 'id = "{_document_id"', "a brace without its other"),
        ('format = "epoch ms"', 'format = "%d/%m/%y"\nzone = "UTC"', "two-digit year"),
        ('format = "epoch ms"', 'format = "%d/%m/%Y"', "the zone must be given"),
        ('op = "assign_seat"', 'op = "give_seat"', "'give_seat' is not an op"),
        ('op = "assign_seat"', 'op = "assign_seat"\ncolour = "x"', "no field 'colour'"),
        ('op = "assign_seat"', 'op = "assign_seat"\nignore = "x"',
         "a rule has one of op, steps, ignore and refuse"),
        ('ignore = "says', 'ignore = ""\n# "', "say why: the reason is empty"),
        ('seat_type = "copilot/business"', 'seat_type = { from = "{x}", table = "t" }',
         "the mapping has no table 't'"),
        ('has = ["@', 'each = "x"\nhas = ["@', "say in 'none' why"),
        ('from = "{org}"', "from = {}", "'account.from': "),
        ("[[rule]]", "[rule", "is not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_mapping_is_stated_before_a_row_is_read(
    old: str, new: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        converted(b"", changed(AUDIT, (old, new)))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('op = "holds"', 'op = "assign_seat"', "'assign_seat' is not an op"),
        ('op = "holds"', 'op = "holds"\nsize = "1"', "holds has no field 'size'"),
        ('op = "nobody"\nseat_type = { from = "{plan_type}", table = "plans" }',
         'op = "nobody"', "nobody needs the field seat_type"),
        ('format = "%Y-%m-%d", zone = "UTC"', 'format = "%Y-%m-%d"', "zone must be"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_mapping_of_a_list_is_stated_too(
    old: str, new: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        listed(b"", changed(SEATS, (old, new)))
    assert message in caught.value.message


def test_a_mapping_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(shipped_text(AUDIT).replace(AUDIT, "mine"))
    assert mapping_named(str(file)).source == "mine"
    for name, message in (("nothing.toml", "no mapping"), (str(tmp_path), "cannot be")):
        with pytest.raises(InvalidInput, match=message):
            mapping_named(name)


def test_a_draft_names_the_fields_and_leaves_the_decisions() -> None:
    content = export_of(AUDIT).read_bytes()
    text = draft_of(io.BytesIO(content), "audit.jsonl")
    assert "#   @timestamp: such as '9999999999999'" in text
    assert "'copilot.cfb_seat_added'" not in text
    assert 'has = ["@timestamp", "created_at", "_document_id", "action"' in text
    many = draft_of(io.BytesIO(content * 20), "audit.jsonl")
    assert "'copilot.cfb_seat_added'" in many
    pages = draft_of(io.BytesIO(export_of(SEATS).read_bytes()), "seats.json")
    assert 'rows = "seats"' in pages
    table = draft_of(io.BytesIO(export_of("gitlab-seats").read_bytes()), "seats.csv")
    assert 'has = ["Id", "Name", "Username", "Email", "State"]' in table
    assert "#   Email: such as 'aa@aa.aa'" in table
    assert "mila@" not in table


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"t":1,"a":2,"b":3,"c":4,"who":[{"id":1}]}\n{"t":2}\n', 'has = ["t"]'),
        ('{"t":1,"who":[{"id":1}],"a":2,"b":3,"c":4}\n' * 2,
         '# rows = "who"  # DECIDE: if each of its elements is a row'),
        ('{"data":{"users":[{"id":1},{"id":2}]}}', 'rows = "data.users"'),
        ('{"users":[{"id":1}],"next":1}\n{"users":[],"next":null}\n', 'rows = "users"'),
        ('[{"a\\nb":1,"c\\u0000d\\u202e":"x\\u0007"}]',
         'has = ["a\\U0000000ab", "c\\U00000000d\\U0000202e"]'),
        ('id,na\x1bme,a|b,"q""\\"\n1,2,3,4\n', 'has = ["id", "na\\U0000001bme", "q'),
    ],
)  # fmt: skip
def test_a_draft_is_toml_and_takes_rows_for_rows_whatever_the_names(
    content: str, line: str
) -> None:
    text = draft_of(io.BytesIO(content.encode()), "x\ny.json")
    assert tomllib.loads(text)["schema"] == 1
    assert any(written.startswith(line) for written in text.splitlines()), text
    assert all(part.isprintable() for part in text.splitlines())


def test_a_regular_expression_has_named_groups_only() -> None:
    for pattern, message in (
        ("SkuId=(x)", "groups without names"),
        ("SkuId=(", "is not a regular"),
    ):
        mapping = changed("entra-audit", ("SkuId=(?P<sku>[0-9a-f-]{36})", pattern))
        with pytest.raises(InvalidInput, match=message):
            converted(export_of("entra-audit").read_bytes(), mapping)


TRAIL = """
schema = 1
kind = "events"
source = "trail"
title = "A log that says everything in a sentence"
id = "{Date}/{Display}"

[file]
format = "table"
has = ["Date", "Display"]

[patterns]
Display = "Permission set (?P<set>.+): assigned to user (?P<person>.+)"

[time]
from = "Date"
format = "%d/%m/%Y %H:%M"
zone = "UTC"

[person]
user = { from = "{person}", table = "people" }

[[rule]]
when = { set = "Sales Cloud" }
op = "assign_seat"
seat_type = "salesforce/sales"

[[rule]]
when = { set = "" }
ignore = "another sentence"

[tables.people]
"Mila Okafor" = "mila"
"""


def test_a_pattern_finds_fields_inside_a_sentence() -> None:
    mapping = read_mapping(TRAIL, "trail")
    head = "Date,Display\n03/04/2026 09:30,"
    sentence = "Permission set Sales Cloud: assigned to user Mila Okafor\n"
    (line,) = converted(head + sentence, mapping)
    assert (line["user"], line["effective_at"]) == ("mila", "2026-04-03T09:30:00Z")
    assert converted(f"{head}Logged in\n", mapping) == []
    with pytest.raises(InvalidInput, match="'Noor' is not in the table 'people'"):
        converted(head + sentence.replace("Mila Okafor", "Noor"), mapping)
