-- The event store: the library's own table and type, and recorded_at beside them.
CREATE SCHEMA IF NOT EXISTS ledger;
COMMENT ON SCHEMA ledger IS 'The write side: what happened, in the order of recording.';

CREATE TYPE ledger.stored_event_uuid AS (
    originator_id uuid,
    originator_version bigint,
    topic text,
    state bytea
);

CREATE TABLE ledger.stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigserial,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
COMMENT ON TABLE ledger.stored_events IS 'One row is one event. Rows are never changed or removed.';
COMMENT ON COLUMN ledger.stored_events.originator_id IS 'The stream: the id of an account or a user.';
COMMENT ON COLUMN ledger.stored_events.notification_id IS 'The position: the total order of the store; gaps are possible.';
COMMENT ON COLUMN ledger.stored_events.recorded_at IS 'When the ledger wrote it down; never decreases with the position.';
COMMENT ON COLUMN ledger.stored_events.state IS 'The event as one flat JSON object, UTF-8.';

-- Readers tail the store by position; recorded_at grows with it.
CREATE UNIQUE INDEX stored_events_notification_id_idx
    ON ledger.stored_events (notification_id ASC);

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or removed'
        USING ERRCODE = 'restrict_violation',
              HINT = 'Record a reversal instead.';
END;
$$;

CREATE TRIGGER stored_events_append_only
    BEFORE UPDATE OR DELETE ON ledger.stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER stored_events_no_truncate
    BEFORE TRUNCATE ON ledger.stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- The instant for the events that are about to be recorded: the clock, unless it
-- stepped back. Called under the append lock only.
CREATE FUNCTION ledger.next_recorded_at() RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
    SELECT greatest(
        clock_timestamp(),
        (SELECT recorded_at
           FROM ledger.stored_events
          ORDER BY notification_id DESC
          LIMIT 1)
    );
$$;

CREATE TABLE ledger.account_head (
    account_id uuid PRIMARY KEY,
    changes bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE ledger.account_head IS
    'How many appends an account has seen: a command that saw fewer is too late.';

-- Claim the next change of an account, or refuse because somebody was first.
CREATE FUNCTION ledger.claim_account(claimed uuid, seen bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF seen = 0 THEN
        INSERT INTO ledger.account_head (account_id, changes)
        VALUES (claimed, 1)
            ON CONFLICT DO NOTHING;
    ELSE
        UPDATE ledger.account_head
           SET changes = changes + 1
         WHERE account_id = claimed AND changes = seen;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % has moved', claimed USING ERRCODE = 'SL001';
    END IF;
END;
$$;

-- Begin an append: wait for the appends before it, then claim the account. Being one
-- call it is one round trip; being two statements, the claim sees what they committed.
CREATE FUNCTION ledger.begin_append(append_lock bigint, claimed uuid, seen bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(append_lock);
    PERFORM ledger.claim_account(claimed, seen);
    PERFORM pg_notify('stored_events', '');
END;
$$;

CREATE TABLE ledger.recorded_command (
    account_id uuid NOT NULL,
    command_key text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    positions bigint[] NOT NULL,
    PRIMARY KEY (account_id, command_key)
);
COMMENT ON TABLE ledger.recorded_command IS
    'One row is one recorded command, under its idempotency key or one made for it.';

CREATE TABLE ledger.user_name (
    user_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    folded_email text COLLATE "C" NOT NULL
);
COMMENT ON TABLE ledger.user_name IS
    'One row is one user ever added: finds the id by key or e-mail. Personal data.';
-- A command names a user by key, or by e-mail without case.
CREATE INDEX user_name_by_key ON ledger.user_name (account_id, user_key);
CREATE INDEX user_name_by_email ON ledger.user_name (account_id, folded_email);

CREATE TABLE ledger.snapshots (
    originator_id uuid PRIMARY KEY,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL
);
COMMENT ON TABLE ledger.snapshots IS
    'One row is the latest saved state of an account: a cache, safe to empty.';
