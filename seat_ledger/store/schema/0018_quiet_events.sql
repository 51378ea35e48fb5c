-- What ANALYZE had copied of events and snapshots before 0009 told it not to. Giving a
-- column its own type once more removes that, and rewrites nothing: no index is on them.
ALTER TABLE ledger.snapshots ALTER COLUMN state TYPE pg_catalog.bytea;
ALTER TABLE ledger.stored_events ALTER COLUMN state TYPE pg_catalog.bytea;
