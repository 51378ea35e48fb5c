-- Who may read single accounts, and nothing of the others. What is served has policies
-- that look here (projections/own.sql); the role is seat_ledger_account_reader.
CREATE TABLE ledger.account_reader (
    login name NOT NULL,
    account_id uuid NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    granted_by name NOT NULL DEFAULT session_user,
    PRIMARY KEY (login, account_id)
);
COMMENT ON TABLE ledger.account_reader IS
    'One row lets a login, or the members of a role, read one account.';

-- Everybody sees what is granted to themselves, or to a role whose rights they have.
ALTER TABLE ledger.account_reader ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON ledger.account_reader
   FOR SELECT
 USING (EXISTS (
       SELECT
         FROM pg_catalog.pg_roles AS role
        WHERE role.rolname = account_reader.login
          AND pg_catalog.pg_has_role(role.oid, 'USAGE')));
