-- Which ledger this is, whatever its server is called and wherever a copy stands.
CREATE TABLE ledger.identity (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    ledger_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid()
);
COMMENT ON TABLE ledger.identity IS
    'The one row is the ledger''s identity: keys and checkpoints hang on it, not on an address.';
INSERT INTO ledger.identity DEFAULT VALUES;
