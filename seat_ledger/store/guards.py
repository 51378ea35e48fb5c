"""What the store itself refuses by: keys, and triggers that are at work.

A restore that ended half way, or left out what comes after the data, leaves tables that
take anything; so does a trigger that somebody disabled.
"""

from __future__ import annotations

from typing import Any

import psycopg

from seat_ledger.errors import IntegrityFailure
from seat_ledger.store.access import ROLES

GUARDS = frozenset(
    {
        "account_head_pkey",
        "account_reader_pkey",
        "answered_pkey",
        "answered_single_check",
        "api_token_actor_check",
        "api_token_pkey",
        "dead_letter_pkey",
        "digest_key_pkey",
        "digest_key_single_check",
        "fold_with_key",
        "identity_pkey",
        "identity_single_check",
        "invoice_number_pkey",
        "person_key_key_check",
        "person_key_pkey",
        "recorded_command_pkey",
        "schema_migration_pkey",
        "sealed_checkpoint_append_only",
        "sealed_checkpoint_pkey",
        "sealed_tile_append_only",
        "sealed_tile_pkey",
        "snapshots_pkey",
        "stored_events_append_only",
        "stored_events_go_on",
        "stored_events_no_truncate",
        "stored_events_notification_id_idx",
        "stored_events_pkey",
        "subscription_pkey",
        "subscription_position_check",
        "subscription_state_check",
        "user_name_pkey",
    }
)
"""Of this program's schema: unique indexes, checks and triggers, by name."""

_AT_WORK = """
SELECT class.relname::text
  FROM pg_catalog.pg_index AS index
  JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND index.indisunique AND index.indisvalid AND index.indislive
 UNION ALL
SELECT conname::text
  FROM pg_catalog.pg_constraint
 WHERE connamespace = pg_catalog.to_regnamespace('ledger')
   AND contype = 'c' AND convalidated
 UNION ALL
SELECT tgname::text
  FROM pg_catalog.pg_trigger AS trigger
  JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND NOT trigger.tgisinternal AND trigger.tgenabled IN ('O', 'A')
"""


SECRET_TABLES = ("person_key", "digest_key", "user_name", "api_token", "subscription")
"""What stands there is to be in no second place: no erasure would reach it."""

_FOREIGN = """
SELECT 'the trigger ' || trigger.tgname || ' on ' || class.relname
  FROM pg_catalog.pg_trigger AS trigger
  JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND NOT trigger.tgisinternal AND trigger.tgenabled <> 'D'
   AND (trigger.tgtype & 2 <> 0 OR class.relname = ANY (%(secret)s::text[]))
   AND trigger.tgname <> ALL (%(guards)s::text[])
 UNION ALL
SELECT 'the table ' || child.oid::regclass::text || ', which inherits from '
       || class.relname || ','
  FROM pg_catalog.pg_inherits AS inherits
  JOIN pg_catalog.pg_class AS class ON class.oid = inherits.inhparent
  JOIN pg_catalog.pg_class AS child ON child.oid = inherits.inhrelid
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND class.relkind = 'r'
 UNION ALL
SELECT 'the foreign key ' || foreign_key.conname || ' on ' || class.relname
  FROM pg_catalog.pg_constraint AS foreign_key
  JOIN pg_catalog.pg_class AS class ON class.oid = foreign_key.conrelid
  JOIN pg_catalog.pg_class AS target ON target.oid = foreign_key.confrelid
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND target.relnamespace <> class.relnamespace
   AND foreign_key.contype = 'f'
 UNION ALL
SELECT 'the rule ' || rule.rulename || ' on ' || class.relname
  FROM pg_catalog.pg_rewrite AS rule
  JOIN pg_catalog.pg_class AS class ON class.oid = rule.ev_class
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND rule.rulename <> '_RETURN'
 UNION ALL
SELECT 'row security on ' || class.relname
  FROM pg_catalog.pg_class AS class
 WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
   AND (class.relrowsecurity AND class.relname <> 'account_reader'
        OR class.relforcerowsecurity)
 ORDER BY 1
"""
"""What can swallow, change, add, copy or hide rows of the store, and is not ours."""

_WATCHING = """
SELECT 'the trigger ' || trigger.tgname || ' on ' || class.oid::regclass::text
  FROM pg_catalog.pg_trigger AS trigger
  JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
  JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
 WHERE (space.nspname = 'ledger' OR space.nspname LIKE 'projection%%')
   AND NOT trigger.tgisinternal AND trigger.tgenabled <> 'D'
   AND trigger.tgname <> ALL (%(guards)s::text[])
 UNION ALL
SELECT 'the rule ' || rule.rulename || ' on ' || class.oid::regclass::text
  FROM pg_catalog.pg_rewrite AS rule
  JOIN pg_catalog.pg_class AS class ON class.oid = rule.ev_class
  JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
 WHERE space.nspname LIKE 'projection%%'
   AND rule.rulename <> '_RETURN'
 UNION ALL
SELECT 'row security on ' || class.oid::regclass::text
  FROM pg_catalog.pg_class AS class
  JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
 WHERE space.nspname LIKE 'projection%%'
   AND (class.relrowsecurity OR class.relforcerowsecurity)
 UNION ALL
SELECT 'the event trigger ' || evtname || ' (' || evtevent || ')'
  FROM pg_catalog.pg_event_trigger
 WHERE evtenabled <> 'D'
 ORDER BY 1
"""
"""What runs with the rights of whoever records, rebuilds or migrates, or keeps rows of
the projections from whoever reads, rebuilds or erases.
"""


_ROLES = [f"seat_ledger_{name}" for name in (*ROLES, "account_reader")]
_RIGHTS = """
SELECT DISTINCT coalesce(role.rolname::text, 'everybody'), thing.name
  FROM (SELECT 'the schema ledger' AS name, nspacl AS rights
          FROM pg_catalog.pg_namespace
         WHERE nspname = 'ledger'
         UNION ALL
        SELECT 'ledger.' || relname, relacl
          FROM pg_catalog.pg_class
         WHERE relnamespace = pg_catalog.to_regnamespace('ledger')
         UNION ALL
        SELECT 'ledger.' || class.relname, attacl
          FROM pg_catalog.pg_attribute AS attribute
          JOIN pg_catalog.pg_class AS class ON class.oid = attribute.attrelid
         WHERE class.relnamespace = pg_catalog.to_regnamespace('ledger')
         UNION ALL
        SELECT 'the function ledger.' || proname,
               coalesce(proacl, pg_catalog.acldefault('f', proowner))
          FROM pg_catalog.pg_proc
         WHERE pronamespace = pg_catalog.to_regnamespace('ledger')
           AND prosecdef) AS thing
 CROSS JOIN LATERAL pg_catalog.aclexplode(thing.rights) AS item
  LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = item.grantee
 WHERE item.grantee = 0
    OR (role.rolname <> ALL (%s) AND NOT role.rolsuper
        AND item.grantee <> item.grantor)
 ORDER BY 1, 2
"""


def strangers(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Who else was given rights on the write side, by default or by hand; on what."""
    rights: dict[str, list[str]] = {}
    for name, thing in connection.execute(_RIGHTS, [_ROLES]):
        rights.setdefault(name, []).append(thing)
    return rights


def foreign(connection: psycopg.Connection[Any]) -> list[str]:
    """What somebody else attached to the tables, that changes or hides their rows."""
    params = {"guards": sorted(GUARDS), "secret": [*SECRET_TABLES]}
    return [row[0] for row in connection.execute(_FOREIGN, params)]


def watching(connection: psycopg.Connection[Any]) -> list[str]:
    """What of others runs after what is recorded, or with what changes the schema."""
    rows = connection.execute(_WATCHING, {"guards": sorted(GUARDS)})
    return [row[0] for row in rows]


def missing(connection: psycopg.Connection[Any]) -> list[str]:
    """Which of them are not there, or not at work."""
    return sorted(GUARDS - {row[0] for row in connection.execute(_AT_WORK)})


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise IntegrityFailure where the store would take what it must refuse."""
    lacking = missing(connection)
    if lacking:
        named = ", ".join(lacking[:3]) + " …" * (len(lacking) > 3)
        raise IntegrityFailure(
            f"The store does not enforce its rules: {named} missing or switched off, "
            "as after a restore that did not finish, or that left this out.",
            try_="let the restore finish, or restore into an empty database; enable a "
            "disabled trigger again: ALTER TABLE … ENABLE TRIGGER",
        )
    if attached := foreign(connection):
        raise IntegrityFailure(
            f"Somebody attached {', '.join(attached[:3])} to the store's tables: it "
            "can swallow, change, add, copy or hide what is recorded.",
            try_="see who made it and what for, and drop it (DROP TRIGGER, DROP RULE, "
            "ALTER TABLE … DISABLE ROW LEVEL SECURITY, NO INHERIT or DROP CONSTRAINT); "
            "then: seat-ledger integrity verify",
        )
