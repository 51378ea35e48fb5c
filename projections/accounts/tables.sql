-- One row is one account: the latest effective time that its journal holds.
CREATE TABLE projection.account_latest (
    account_id uuid PRIMARY KEY,
    effective_at timestamptz NOT NULL
);
