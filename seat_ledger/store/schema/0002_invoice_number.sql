-- The numbers of invoices: written with the event, in the same transaction, so that
-- two accounts cannot get one number at the same time.
CREATE TABLE ledger.invoice_number (
    invoice text COLLATE "C" PRIMARY KEY,
    account_id uuid NOT NULL,
    position bigint NOT NULL
);
COMMENT ON TABLE ledger.invoice_number IS
    'One row is one invoice number: unique in the store, and never used again.';
COMMENT ON COLUMN ledger.invoice_number.position IS
    'Where the invoice stands in the store: its InvoiceIssued.';
