"""Files in the shape of each shipped mapping, made of a few people or changes.

`LISTS` makes a dated list, `LOGS` a log; each knows how to make it wrong in the ways in
which files of its vendor can be.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Person(NamedTuple):
    """Who holds a seat of one of the vendor's kinds, by its place in `ListMaker.kinds`.

    `number` None is a row that names nobody; `since` is as the vendor writes times.
    """

    number: int | None
    kind: int | str = 0
    email: str | None = None
    since: str = "2025-03-01T10:00:00Z"

    @property
    def address(self) -> str:
        return self.email or f"p{self.number}@x.example"


def _csv(head: str, *rows: Sequence[Any], delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([head.split(","), *rows])
    return text.getvalue()


@dataclass(frozen=True)
class ListMaker:
    """How a vendor's list is written.

    `kinds` are the vendor's words for seat types, and `types` ours. `write` takes
    people and what the file says of its own length: None for the truth. `more` is a
    file that says that more pages follow, where files of the vendor say that. `open_`:
    a user can have more than one of the types.
    """

    kinds: Sequence[str]
    types: Sequence[str]
    write: Callable[[ListMaker, Sequence[Person], int | None], str]
    more: Callable[[str], str] | None = None
    has_total: bool = False
    has_email: bool = True
    has_since: bool = False
    nameless: str = "refused"
    open_: bool = False
    is_keyed: bool = False
    unknown: str = "no rule"

    def file(self, people: Sequence[Person], total: int | None = None) -> str:
        return self.write(self, people, total)

    def kind(self, person: Person) -> str:
        kind = person.kind
        return kind if isinstance(kind, str) else self.kinds[kind]


def _copilot_seats(
    maker: ListMaker, people: Sequence[Person], total: int | None
) -> str:
    seats = [
        {
            "created_at": person.since,
            "plan_type": maker.kind(person),
            "pending_cancellation_date": None,
            "assignee": None
            if person.number is None
            else {
                "id": person.number,
                "login": f"p{person.number}",
                "email": person.address,
            },
        }
        for person in people
    ]
    number = len({person[:2] for person in people}) if total is None else total
    return json.dumps({"total_seats": number, "seats": seats}, indent=1)


def _consumed(maker: ListMaker, people: Sequence[Person], total: int | None) -> str:
    users = [
        {
            "github_com_login": "" if person.number is None else f"p{person.number}",
            "github_com_name": None,
            "license_type": maker.kind(person),
            "github_com_verified_domain_emails": [person.address],
            "github_com_saml_name_id": None,
        }
        for person in people
    ]
    number = len(people) if total is None else total
    counts = {"total_seats_consumed": number, "total_seats_purchased": 20}
    return json.dumps({**counts, "users": users}, indent=1)


def _datadog(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    data = [
        {
            "type": maker.kind(person),
            "id": person.number and f"u{person.number}",
            "attributes": {
                "assigned_at": person.since,
                "email": person.address,
                "name": None,
            },
        }
        for person in people
    ]
    return json.dumps({"data": data, "meta": {"next_cursor": ""}}, indent=1)


def _hubspot_api(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    results = [
        {
            "id": person.number and str(person.number),
            "email": person.address,
            "firstName": "P",
            "lastName": None,
            "seatNames": [maker.kind(person)],
        }
        for person in people
    ]
    return json.dumps({"results": results}, indent=1)


def _m365(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    value = [
        {
            "id": person.number and f"m{person.number}",
            "displayName": None,
            "mail": person.address,
            "userPrincipalName": f"p{person.number}@x.example",
            "assignedLicenses": [{"skuId": maker.kind(person), "disabledPlans": []}],
        }
        for person in people
    ]
    return json.dumps({"value": value}, indent=1)


def _m365_csv(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    head = "Block credential,Display name,Licenses,Object Id,User principal name"
    rows = [
        ("False", "P", maker.kind(p), p.number and f"m{p.number}", p.address)
        for p in people
    ]
    return _csv(head, *rows)


def _slack(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    info = [
        f'"{"" if person.number is None else f"U{person.number}"}":\n'
        f' {{"billing_active": {maker.kind(person)}}}'
        for person in people
    ]
    return '{"ok": true, "billable_info": {' + ",\n".join(info) + "}}"


def _hubspot_csv(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    head = "User ID,First name,Last name,Email address,Last login date,Assigned role"
    rows = [
        (p.number, "P", "Q", p.address, "2025-02-01", maker.kind(p)) for p in people
    ]
    return _csv(head, *rows)


def _gitlab(maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    rows = [(p.number, "P", f"p{p.number}", p.address, maker.kind(p)) for p in people]
    return _csv("Id,Name,Username,Email,State", *rows)


def _atlassian(_maker: ListMaker, people: Sequence[Person], _: int | None) -> str:
    head = "User id,User name,email,User status,Jira - x,Confluence - x"
    rows = []
    for p in people:
        products = ("None", "User") if p.kind == 1 else ("User", "None")
        if isinstance(p.kind, str):
            products = (p.kind, "None")
        number = p.number and f"70:{p.number}"
        rows.append((number, "P", p.address, "Active", *products))
    return _csv(f"{head},Jira Service Management - x", *((*row, "") for row in rows))


LISTS = {
    "atlassian-users": ListMaker(
        ("jira", "confluence"),
        ("atlassian/jira", "atlassian/confluence"),
        _atlassian,
        open_=True,
    ),
    "datadog-seats": ListMaker(
        ("seat-users",),
        ("datadog/incident-management",),
        _datadog,
        more=lambda text: text.replace('"next_cursor": ""', '"next_cursor": "c2"'),
        has_since=True,
    ),
    "github-consumed-licences": ListMaker(
        ("Enterprise",),
        ("github/enterprise",),
        _consumed,
        has_total=True,
        nameless="nobody",
    ),
    "github-copilot-seats": ListMaker(
        ("business", "enterprise"),
        ("copilot/business", "copilot/enterprise"),
        _copilot_seats,
        has_total=True,
        has_since=True,
        nameless="nobody",
        unknown="is not in the table",
    ),
    "gitlab-seats": ListMaker(("active",), ("gitlab/premium",), _gitlab),
    "hubspot-users-api": ListMaker(
        ("sales-hub-starter", "sales-hub-professional"),
        ("sales/starter", "sales/professional"),
        _hubspot_api,
        more=lambda text: text[:-1] + ', "paging": {"next": {"after": "NT"}}}',
        unknown="is not in the table",
    ),
    "hubspot-users-csv": ListMaker(
        ("Sales Hub Starter", "Sales Hub Professional"),
        ("sales/starter", "sales/professional"),
        _hubspot_csv,
        unknown="is not in the table",
    ),
    "m365-users": ListMaker(
        (
            "05e9a617-0261-4cee-bb44-138d3ef5d965",
            "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
        ),
        ("m365/e3", "m365/e5"),
        _m365,
        more=lambda text: text[:-1] + ', "@odata.nextLink": "https://x.example/2"}',
        unknown="is not in the table",
    ),
    "m365-users-csv": ListMaker(
        ("Microsoft 365 E3", "Microsoft 365 E5"),
        ("m365/e3", "m365/e5"),
        _m365_csv,
        unknown="is not in the table",
    ),
    "slack-billable": ListMaker(
        ("true",),
        ("slack/member",),
        _slack,
        more=lambda text: text[:-1] + ', "response_metadata": {"next_cursor": "d"}}',
        has_email=False,
        is_keyed=True,
    ),
}


class Entry(NamedTuple):
    """One line of a log: who is given a seat at a minute, or loses it."""

    id: int
    minute: int
    number: int | None
    given: bool = True
    kind: str | None = None
    action: str | None = None
    at: str | None = None

    @property
    def moment(self) -> datetime:
        return datetime(2026, 10, 2, 9, self.minute, tzinfo=UTC)

    @property
    def address(self) -> str:
        return f"p{self.number}@x.example"


def _written(entry: Entry, text: str) -> str:
    return entry.at if entry.at is not None else text


def _rfc(entry: Entry) -> str:
    return _written(entry, f"{entry.moment:%Y-%m-%dT%H:%M:%S}.000Z")


def _copilot_audit(entries: Sequence[Entry]) -> str:
    lines = []
    for entry in entries:
        at: Any = entry.at or int(entry.moment.timestamp() * 1000)
        word = "added" if entry.given else "cancelled"
        lines.append(
            {
                "@timestamp": at,
                "_document_id": f"d{entry.id}",
                "action": entry.action or f"copilot.cfb_seat_{word}",
                "actor_id": 77,
                "user": f"p{entry.number}",
                "user_id": entry.number,
                "org": "acme",
            }
        )
    return "".join(json.dumps(line) + "\n" for line in lines)


def _google(entries: Sequence[Entry]) -> str:
    items = []
    for entry in entries:
        word = "ASSIGNMENT" if entry.given else "REVOKE"
        value = "NEW_VALUE" if entry.given else "OLD_VALUE"
        kind = entry.kind or "Google Workspace Business Plus"
        parameters = [{"name": value, "value": kind}]
        if entry.number is not None:
            parameters += [{"name": "USER_EMAIL", "value": entry.address}]
        event = {
            "type": "LICENSES_SETTINGS",
            "name": entry.action or f"USER_LICENSE_{word}",
            "parameters": parameters,
        }
        id_ = {"time": _rfc(entry), "uniqueQualifier": str(entry.id)}
        id_["customerId"] = "C01"
        actor = {"profileId": "1"}
        items.append({"id": id_, "actor": actor, "events": [event]})
    return json.dumps({"items": items}, indent=1)


_E3 = "05e9a617-0261-4cee-bb44-138d3ef5d965"


def _entra(entries: Sequence[Entry]) -> str:
    value = []
    for entry in entries:
        sku = f'["[SkuName=X, AccountId=0a, SkuId={entry.kind or _E3}]"]'
        old, new = ("[]", sku) if entry.given else (sku, "[]")
        target = {
            "type": "User",
            "id": entry.number and f"m{entry.number}",
            "displayName": None,
            "userPrincipalName": entry.address,
            "modifiedProperties": [
                {"displayName": "AssignedLicense", "oldValue": old, "newValue": new}
            ],
        }
        value.append(
            {
                "id": f"Directory_{entry.id}",
                "result": "success",
                "activityDisplayName": entry.action or "Update user",
                "activityDateTime": _rfc(entry),
                "initiatedBy": {"app": None, "user": {"id": "a1"}},
                "targetResources": [target],
            }
        )
    return json.dumps({"value": value}, indent=1)


def _okta(entries: Sequence[Entry]) -> str:
    events = []
    for entry in entries:
        word = "add" if entry.given else "remove"
        targets = [{"type": "AppInstance", "displayName": entry.kind or "Slack"}]
        if entry.number is not None:
            targets.append(
                {
                    "type": "User",
                    "id": f"00u{entry.number}",
                    "alternateId": entry.address,
                    "displayName": "P",
                }
            )
        events.append(
            {
                "uuid": f"u{entry.id}",
                "published": _rfc(entry),
                "eventType": entry.action or f"application.user_membership.{word}",
                "outcome": {"result": "SUCCESS"},
                "actor": {"id": "00u1"},
                "target": targets,
            }
        )
    return json.dumps(events, indent=1)


def _permission_history(entries: Sequence[Entry]) -> str:
    rows = []
    for entry in entries:
        at = _written(entry, f"{entry.moment:%Y-%m-%d %H:%M}")
        action = entry.action or ("Create" if entry.given else "Delete")
        rows.append((entry.kind or "Sales Hub Starter", action, "Noor", at))
    return _csv("Permission,Action,Updated by,Date of change", *rows)


@dataclass(frozen=True)
class LogMaker:
    """How a vendor's log is written, and what it does with a kind that is unknown."""

    write: Callable[[Sequence[Entry]], str]
    types: Sequence[str]
    words: Sequence[str] = ()
    unknown_kind: str | None = "is not in the table"
    names_people: bool = True
    other_kind: str = "unheard"
    bad_time: str = "2026-10-02T09:14:15"
    no_zone: str = "no offset"
    cut: int = 25

    def file(self, *entries: Entry) -> str:
        return self.write(entries)


LOGS = {
    "entra-audit": LogMaker(
        _entra, ("m365/e3",), other_kind="00000000-0000-0000-0000-000000000000"
    ),
    "github-copilot-audit": LogMaker(
        _copilot_audit,
        ("copilot/business",),
        unknown_kind=None,
        no_zone="is not a time as the mapping says",
    ),
    "google-license-events": LogMaker(_google, ("google-workspace/business-plus",)),
    "hubspot-permission-history": LogMaker(
        _permission_history,
        ("sales/starter",),
        words=("--user", "hs-1"),
        unknown_kind=None,
        names_people=False,
        bad_time="02/10/2026 09:14",
        no_zone="is not a time as the mapping says",
        cut=10,
    ),
    "okta-system-log": LogMaker(_okta, ("slack/member",)),
}
