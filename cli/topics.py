"""Help that belongs to no single command."""

from __future__ import annotations

import click

TOPICS = {
    "time": """\
How to write a moment (T) and what is known (K)

  2026-03-14T09:30:00Z         an instant, with offset or Z
  2026-03-14 09:30             a local time in the account's zone
  2026-03-14, 2026-03, 2026q1  a date, month or quarter: its first instant there
  today, yesterday, now        by the account's local date
  41 or '#41'                  for --known-at also a position of the store

Every answer has two clocks. --as-of asks about effective time: what was true for the
customer. --known-at asks about recorded time: what the ledger knew. A local time that
does not exist or comes twice is refused; write it with its offset. Intervals exclude
their end. Imported history is known from its import on, not earlier.
""",
    "exit-codes": """\
Exit codes

    0  done; for checks: nothing found
    1  refused by a rule, not found, or failed and explained
    2  wrong usage or unreadable input
    3  ran, and has findings
    4  somebody else was first; nothing was written; safe to repeat
   10  the database cannot be reached
   11  another run holds the lock
   12  schema or projections are older or newer than the program
   70  a bug; what is known of it is in a file
  130  interrupted
""",
    "formats": """\
Formats

  table  for people; times in the account's zone
  json   one document: schema_version, as_of, known_at, rows and more
  jsonl  the rows of it, one a line
  csv    the rows of it, flat; cells that a spreadsheet takes for formulas begin with '

Keys are only ever added; ignore those you do not know. Instants are RFC 3339 in UTC,
quantities decimal strings, money decimal strings with the currency's places.
""",
    "glossary": """\
Words

  seat         one purchased place, such as sales/professional#7; never numbered again
  holder       the user in a seat from one instant to another
  purchased    seats under contract; assigned: held; available: the rest
  term         the commitment; a renewal is the instant at which the next term starts
  period       what one invoice covers; the account's billing cycle says how long
  effective    when a fact was true for the customer
  recorded     when the ledger wrote it down
  position     the total order of the store; an entry is named by its position
  reversal     an event that says that an earlier entry never held
  correction   a line of the next invoice: what an invoiced period comes to now, less
               what was issued for it
  cut-off      the position up to which an invoice knew the ledger
  erased-…     a person whose key was destroyed: nobody can say any more who it was
""",
}


@click.command("help")
@click.argument("topic", type=click.Choice(list(TOPICS)), required=False)
def help_(topic: str | None) -> None:
    """Topics: time, exit-codes, formats, glossary."""
    if topic is None:
        print("Topics: " + ", ".join(TOPICS) + ". Say: seat-ledger help TOPIC")
    else:
        print(TOPICS[topic], end="")
