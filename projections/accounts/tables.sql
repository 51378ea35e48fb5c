-- table --
-- One row is one account ever opened. Its number is the position of its opening.
CREATE TABLE account (
    account_no bigint NOT NULL,
    account_id uuid NOT NULL,
    account_key text COLLATE "C" NOT NULL,
    name text NOT NULL,
    opened_at timestamptz NOT NULL
);

-- indexes --
CREATE UNIQUE INDEX account_by_number ON account (account_no);
-- The decoder finds an account's number.
CREATE UNIQUE INDEX account_by_id ON account (account_id);
