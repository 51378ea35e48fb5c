"""What every start of the program loads: nothing that only some commands need."""

from __future__ import annotations

import json
import subprocess
import sys

LOADED = """
import json, sys
import seat_ledger.cli.main
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_a_start_loads_no_package_but_click() -> None:
    """A command imports what it needs when it is called (cli/README)."""
    plain = [sys.executable, "-c", LOADED]
    done = subprocess.run(plain, capture_output=True, text=True, check=True)
    packages = set(json.loads(done.stdout)) - set(sys.stdlib_module_names)
    ours = {name for name in packages if not name.startswith(("_", "sitecustomize"))}
    assert ours == {"click", "seat_ledger", "tzdata"}  # the last is a version alone
