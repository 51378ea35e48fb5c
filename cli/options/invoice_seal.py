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


def sealing(session: Session, compute: ComputeInvoice) -> ComputeInvoice:
    """Compute an invoice, then seal what it was computed from."""

    def computed(request: InvoiceRequest) -> InvoiceDraft:
        draft = compute(request)
        checkpoint = _sealed(session)
        if checkpoint is None:
            return draft
        return draft._replace(tree_size=checkpoint[0], tree_root=checkpoint[1])

    return computed


def _sealed(session: Session) -> tuple[int, str] | None:
    """Size and root of a checkpoint up to the head; none where this is not the place.

    Raises IntegrityFailure where the ledger is not the one that was sealed.
    """
    from seat_ledger.errors import IntegrityFailure, LedgerError, Locked  # noqa: PLC0415
    from seat_ledger.integrity import service  # noqa: PLC0415

    try:
        sealed = service.seal_here(
            session.conninfo(), session.database, service.named_witnesses()
        ).sealed
    except (IntegrityFailure, Locked):
        raise
    except LedgerError as error:
        print_message(f"The invoice carries no checkpoint: {error.message}")
        return None
    if sealed is None:
        return None
    return sealed.checkpoint.size, sealed.checkpoint.root.hex()
