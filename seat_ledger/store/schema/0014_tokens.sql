-- Tokens of programs that call the API: of each the digest alone, as whom it acts, what
-- it may do, and until when. A token's text is random, so no digest leads back to it.
CREATE TABLE ledger.api_token (
    token_id text COLLATE "C" PRIMARY KEY,
    digest bytea NOT NULL,
    actor text NOT NULL CHECK (actor LIKE 'system:%'),
    may_write boolean NOT NULL,
    accounts text[],
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by name NOT NULL DEFAULT session_user,
    ends_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE ledger.api_token IS
    'One row is one token of the API: its digest, its actor, its accounts (NULL: all).';

-- A server that may read everything may also answer for some accounts alone: it takes on
-- the role of their readers, and names them. Nobody else can name any.
CREATE OR REPLACE FUNCTION ledger.readable_accounts() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
           WHEN current_setting('role') = 'seat_ledger_account_reader'
                AND coalesce(current_setting('seat_ledger.accounts', true), '') <> ''
                AND EXISTS (
                    SELECT
                      FROM pg_catalog.pg_roles AS reader
                     WHERE reader.rolname = 'seat_ledger_reader'
                       AND pg_has_role(session_user, reader.oid, 'MEMBER'))
           THEN current_setting('seat_ledger.accounts')::uuid[]
           ELSE (
                SELECT coalesce(array_agg(DISTINCT granted.account_id), '{}')
                  FROM ledger.account_reader AS granted
                  JOIN pg_catalog.pg_roles AS role ON role.rolname = granted.login
                 WHERE pg_has_role(
                           CASE current_setting('role')
                                WHEN 'none' THEN session_user
                                ELSE current_setting('role')::name
                           END, role.oid, 'USAGE'))
           END;
$$;
