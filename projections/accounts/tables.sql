-- table --
-- One row is one account ever opened. Its number is the position of its opening.
CREATE TABLE account (
    account_no bigint NOT NULL,
    account_id uuid NOT NULL,
    account_key text COLLATE "C" NOT NULL,
    name text NOT NULL,
    opened_at timestamptz NOT NULL
);

-- One row is one account that is set aside (R74): the tables have what stands before a
-- position of it, and nothing from there on. It may have no row in `account`: where its
-- opening itself cannot be read. `streams` are those with events that cannot be read.
CREATE TABLE set_aside (
    account_no bigint NOT NULL,
    account_id uuid NOT NULL,
    account_key text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    stream uuid NOT NULL,
    streams uuid[] NOT NULL,
    version bigint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT set_aside_by_account PRIMARY KEY (account_no)
);

-- indexes of account --
CREATE UNIQUE INDEX account_by_number ON account (account_no);
-- The decoder finds an account's number.
CREATE UNIQUE INDEX account_by_id ON account (account_id);
