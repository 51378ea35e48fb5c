-- table --
-- One row is one event, decoded once into typed columns. The only table that the
-- other definitions read. It holds no personal data. People and accounts are named
-- by the positions of the events that added and opened them, seat types by numbers; the
-- ledger's own events (types, prices for all) are of account 0, which nobody opened.
CREATE TABLE journal (
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    effective_after timestamptz,
    account_no bigint NOT NULL,
    user_no bigint,
    version bigint NOT NULL,
    topic topic_name NOT NULL,
    seat_type integer,
    number integer,
    quantity integer,
    renewal integer,
    request bigint,
    entry bigint,
    root bigint,
    holds boolean,
    super_admin boolean,
    account_access boolean,
    hub text COLLATE "C",
    actor text COLLATE "C" NOT NULL,
    reason text COLLATE "C",
    idempotency_key text COLLATE "C",
    correlation_id text COLLATE "C",
    details jsonb,
    CONSTRAINT journal_is_whole CHECK ((
        CASE
            WHEN topic IN ('SeatAssigned', 'SeatUnassigned')
                THEN seat_type IS NOT NULL AND number > 0 AND user_no IS NOT NULL
            WHEN topic = 'SeatPurchased' THEN seat_type IS NOT NULL AND number > 0
            WHEN topic = 'SeatRetired'
                THEN seat_type IS NOT NULL AND number > 0
                    AND (renewal > 0 OR renewal IS NULL)
            WHEN topic = 'SeatReductionRequested'
                THEN seat_type IS NOT NULL AND quantity > 0 AND renewal > 0
            WHEN topic = 'SeatReductionCancelled'
                THEN seat_type IS NOT NULL AND request IS NOT NULL
            WHEN topic = 'UnassignmentRequested'
                THEN seat_type IS NOT NULL AND number > 0 AND user_no IS NOT NULL
                    AND details ->> 'period' ~ '^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$'
                    AND (details ->> 'period')::date IS NOT NULL
            WHEN topic = 'UnassignmentCancelled'
                THEN seat_type IS NOT NULL AND number > 0 AND user_no IS NOT NULL
                    AND request IS NOT NULL
            WHEN topic IN ('SeatTypeAdded', 'SeatTypeWithdrawn')
                THEN seat_type IS NOT NULL AND account_no = 0
            WHEN topic = 'PriceSet' THEN seat_type IS NOT NULL AND details IS NOT NULL
            WHEN topic = 'ContractRenewed' THEN renewal > 0
            WHEN topic IN ('HubAccessGranted', 'HubAccessRevoked')
                THEN user_no IS NOT NULL AND hub IS NOT NULL
            WHEN topic IN (
                'UserAdded', 'UserRenamed', 'UserRemoved', 'PermissionsChanged',
                'UserErased')
                THEN user_no IS NOT NULL
            WHEN topic = 'EntryReversed'
                THEN entry IS NOT NULL AND root IS NOT NULL AND holds IS NOT NULL
            ELSE details IS NOT NULL
        END) IS TRUE),
    -- What has a local date in every zone.
    CONSTRAINT journal_is_in_time CHECK (
        effective_at >= '0002-01-01Z' AND effective_at < '9999-01-01Z')
);

-- indexes of journal --
CREATE UNIQUE INDEX journal_by_position ON journal (position);
-- Everything of an account; a type's counts from an instant on.
CREATE INDEX journal_by_account ON journal (account_no, seat_type, effective_at);
-- A seat's purchase, retirement and holdings.
CREATE INDEX journal_by_seat ON journal (account_no, seat_type, number)
 WHERE number IS NOT NULL;
-- A user's membership, permissions and access.
CREATE INDEX journal_by_user ON journal (user_no)
 WHERE number IS NULL AND user_no IS NOT NULL;
-- What an account has few of: its contract and the reductions of it, what was requested
-- for the end of a period (R98), its prices (R90), and the findings of audits (R93).
CREATE INDEX journal_of_contract ON journal (account_no, topic)
 WHERE topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'ContractChanged', 'AccountClosed', 'InvoiceIssued',
           'InvoiceVoided', 'SeatReductionRequested', 'SeatReductionCancelled',
           'SnapshotObserved', 'UnassignmentRequested', 'UnassignmentCancelled',
           'PriceSet', 'FindingOpened', 'FindingNoted', 'FindingSettled'
       );
-- What was derived from dated lists, with a window in which it happened (R85).
CREATE INDEX journal_of_windows ON journal (account_no)
 WHERE effective_after IS NOT NULL;
-- An invoice by its number.
CREATE INDEX journal_of_invoices ON journal ((details ->> 'invoice'))
 WHERE topic = 'InvoiceIssued';
-- The last reversal of an entry up to a position.
CREATE INDEX journal_of_reversals ON journal (root, position)
 WHERE topic = 'EntryReversed';
-- What a reversal named, for "reversed by".
CREATE INDEX journal_by_entry ON journal (entry, position)
 WHERE topic = 'EntryReversed';
