-- The server keeps no copies of secrets, nor of what may name somebody, in its statistics:
-- of tokens and subscribers neither (see 0009). Giving a column its own type once more
-- removes what ANALYZE has copied already, and rewrites nothing.
ALTER TABLE ledger.api_token
    ALTER COLUMN digest SET STATISTICS 0,
    ALTER COLUMN digest TYPE pg_catalog.bytea,
    ALTER COLUMN actor SET STATISTICS 0,
    ALTER COLUMN actor TYPE pg_catalog.text;
ALTER TABLE ledger.subscription
    ALTER COLUMN url SET STATISTICS 0,
    ALTER COLUMN url TYPE pg_catalog.text,
    ALTER COLUMN secret SET STATISTICS 0,
    ALTER COLUMN secret TYPE pg_catalog.bytea,
    ALTER COLUMN last_error SET STATISTICS 0,
    ALTER COLUMN last_error TYPE pg_catalog.text;
ALTER TABLE ledger.dead_letter
    ALTER COLUMN error SET STATISTICS 0,
    ALTER COLUMN error TYPE pg_catalog.text;
