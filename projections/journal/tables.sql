-- One row is one event, decoded once into typed columns. The only table that the
-- other definitions read. It holds no personal data.
CREATE TABLE projection.journal (
    position bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    topic text COLLATE "C" NOT NULL,
    account_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    user_id uuid,
    seat_type text COLLATE "C",
    number integer,
    hub text COLLATE "C",
    quantity integer,
    renewal integer,
    request bigint,
    entry bigint,
    root bigint,
    holds boolean,
    super_admin boolean,
    account_access boolean,
    actor text COLLATE "C" NOT NULL,
    reason text,
    late boolean NOT NULL,
    data jsonb NOT NULL
);
COMMENT ON TABLE projection.journal IS 'One row is one event, decoded.';
COMMENT ON COLUMN projection.journal.position IS 'The total order of the store.';
COMMENT ON COLUMN projection.journal.effective_at IS 'When it was true for the customer.';
COMMENT ON COLUMN projection.journal.recorded_at IS 'When the ledger wrote it down.';
COMMENT ON COLUMN projection.journal.late IS
    'Whether an earlier position of the account has a later effective time.';

-- A seat's purchase, retirement and holdings.
CREATE INDEX journal_by_seat
    ON projection.journal (account_id, seat_type, number)
 WHERE number IS NOT NULL;
-- A user's membership, permissions, access and holdings.
CREATE INDEX journal_by_user
    ON projection.journal (user_id)
 WHERE user_id IS NOT NULL;
-- Everything of an account in order: event list, contract, reductions.
CREATE INDEX journal_by_account ON projection.journal (account_id, position);
-- An account's contract events.
CREATE INDEX journal_of_contract
    ON projection.journal (account_id, topic)
 WHERE topic IN ('AccountOpened', 'TimeZoneChanged', 'ContractRenewed');
-- Reductions pending.
CREATE INDEX journal_of_reductions
    ON projection.journal (account_id, seat_type, topic)
 WHERE topic IN ('SeatReductionRequested', 'SeatReductionCancelled');
-- The last reversal of an entry up to a position.
CREATE INDEX journal_of_reversals
    ON projection.journal (root, position DESC)
 WHERE topic = 'EntryReversed';
-- What a reversal named, for "reversed by".
CREATE INDEX journal_by_entry
    ON projection.journal (entry, position)
 WHERE topic = 'EntryReversed';
-- The last position at or before an instant.
CREATE INDEX journal_by_recording ON projection.journal (recorded_at, position);
