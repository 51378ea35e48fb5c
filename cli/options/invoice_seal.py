"""An invoice carries the checkpoint that its knowledge is sealed in.

What is known at the cut-off is sealed before the invoice is recorded, so that nothing
is sealed inside an append; the invoice itself is in the next checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seat_ledger.cli.options.session import Session
from seat_ledger.cli.output.render import print_message

if TYPE_CHECKING:
    from seat_ledger.domain.invoice_draft import (
        ComputeInvoice,
        InvoiceDraft,
        InvoiceRequest,
    )


def sealing(
    session: Session, compute: ComputeInvoice, *, serves: bool = False
) -> ComputeInvoice:
    """Compute an invoice, then seal what it was computed from.

    A program that `serves` others makes no key for a database that was named: each of
    its copies would make one, in a folder that may go with it, and for what a lost
    key has sealed there is no other.
    """
    makes_key = session.database is None or not serves

    def computed(request: InvoiceRequest) -> InvoiceDraft:
        draft = compute(request)
        checkpoint = _sealed(session, makes_key=makes_key)
        if checkpoint is None:
            return draft
        return draft._replace(tree_size=checkpoint[0], tree_root=checkpoint[1])

    return computed


def _sealed(session: Session, *, makes_key: bool) -> tuple[int, str] | None:
    """Size and root of a checkpoint up to the head; none where this is not the place.

    Raises IntegrityFailure where the ledger is not the one that was sealed.
    """
    from seat_ledger.errors import IntegrityFailure, LedgerError, Locked  # noqa: PLC0415
    from seat_ledger.integrity import service  # noqa: PLC0415

    try:
        here = service.seal_here(
            session.conninfo(),
            session.database,
            service.named_witnesses(),
            service.SealOptions(makes_key=makes_key),
        )
    except (IntegrityFailure, Locked):
        raise
    except LedgerError as error:
        print_message(f"The invoice carries no checkpoint: {error.message}")
        return None
    if here.new_key is not None:
        print_message(f"A new sealing key is in {here.new_key}. Keep a copy of it.")
    if here.sealed is None:
        return None
    return here.sealed.checkpoint.size, here.sealed.checkpoint.root.hex()
