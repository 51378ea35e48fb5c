"""An example of each command whose definition shows none, as its help ends with it."""

from __future__ import annotations

import click

PROGRAM = "seat-ledger"
_EXAMPLES = """
account open acme --name "Acme BV" --time-zone Europe/Amsterdam \
  --term-start 2025-03-05 --term-months 12 --billing-cycle-months 1
account set-time-zone Europe/Paris --account acme
account set-billing-policy contracted --granularity day --account acme
account change-contract --account acme --renewal 2 --term-months 24
account close --account acme --effective-at 2026-03-05 --end-holdings
account renew --due
account list --as-of 2026-03-14
account show acme
account readers
account let-read auditor_login --account acme
account stop-reading auditor_login --account acme
batch chores.jsonl --account acme --dry-run
billing policy --account acme
billing periods --account acme
billing counts --account acme --term --unit-price sales/professional=90.00
billing explain --account acme --period 2026-02-05 --seat-type sales/professional
billing idle --account acme --unit-price sales/professional=90.00 --currency EUR
billing compare --account acme --known-at 2040 --known-at today
convert audit-log.jsonl --with github-copilot-audit --account acme
db start
db stop
db status
db url
db migrate
db tool pg_dump -- --format=custom --file=ledger.dump
db destroy --yes
demo
doctor
event show 51907
event replay --account acme --order effective
help billing counts
import history.jsonl --keep-going
integrity seal
integrity verify
integrity prove 51907
integrity check-proof proof.json
integrity key
invoice audit invoices.csv --report audit.html
invoice convert bill.csv --with github-usage-report --issued-at 2026-04-05
invoice issue INV-7 --account acme --period 2026-02-05 \
  --unit-price sales/professional=90.00 --currency EUR
invoice void INV-7 --account acme --reason "wrong price"
invoice show INV-7
invoice reproduce INV-7
invoice list --account acme
lake export /srv/lake
lake status /srv/lake
lake verify /srv/lake
lake rebuild /srv/lake --output /srv/figures
projection status
projection run --follow
projection rebuild --workers 2
projection resume
projection verify --full
seat buy sales/professional 10 --account acme
seat reduce sales/professional 3 --account acme
seat cancel-reduction sales/professional --account acme
seat assign ann sales/professional --account acme --reason onboarding
seat unassign ann sales/professional --account acme --reason "left the team"
seat cancel-unassignment ann sales/professional --account acme
seat who sales/professional#7 --account acme --as-of 2026-03-14
seat history sales/professional#7 --account acme
seat list --account acme --as-of 2026-03
seat save ticked.csv --account acme --dry-run
source list
source show github-copilot-seats
source check seats.json
source draft users.csv
source compare --sources sources.toml
subscription list
subscription pause 7f3c
subscription resume 7f3c
subscription replay 7f3c
token create --actor system:portal --role reader --account acme
token list
token revoke 7f3c
user add ann --account acme --email ann@acme.example --name "Ann Jansen" \
  --seat sales/professional
user set-permissions ann --account acme --account-access
user grant ann sales --account acme
user revoke ann sales --account acme
user remove ann --account acme
user rename ann --account acme --name "Ann de Vries"
user erase ann --account acme --reason "asked for by ann"
user history ann --account acme
user access ann sales/professional --account acme --as-of 2026-03-14
user list --account acme
user find jansen
"""
EXAMPLES = [" ".join(line.split()) for line in _EXAMPLES.splitlines() if line]


def show_examples(command: click.Command, name: str) -> None:
    """Let the help of a command, or of each in a group, end with an example."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            show_examples(inner, f"{name} {inner.name}")
    elif not command.epilog:
        own = (line for line in EXAMPLES if f"{line} ".startswith(f"{name} "))
        shown = [f"Example: {PROGRAM} {line}" for line in own]
        command.epilog = shown[0] if shown else None
