-- A change number alone is no identity: after an older backup was restored, others may
-- have counted up to it again. So each append leaves a random mark, and who appends
-- names the mark of the last one it knows.
ALTER TABLE ledger.account_head
  ADD COLUMN marks bigint[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ledger.account_head.marks IS
    'The marks of the last appends, the latest first: random, chosen by who appended.';

DROP FUNCTION ledger.begin_append(bigint, uuid, bigint);
DROP FUNCTION ledger.claim_account(uuid, bigint);

-- Claim the next change of an account, or refuse because it is not as it was seen.
CREATE FUNCTION ledger.claim_account(
    claimed uuid, seen bigint, seen_mark bigint, next_mark bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF seen = 0 THEN
        INSERT INTO ledger.account_head (account_id, changes, marks)
        VALUES (claimed, 1, ARRAY[next_mark])
            ON CONFLICT DO NOTHING;
    ELSE
        UPDATE ledger.account_head
           SET changes = changes + 1,
               marks = pg_catalog.array_prepend(next_mark, marks[1:7])
         WHERE account_id = claimed
           AND changes = seen
           AND coalesce(marks[1], 0) = seen_mark;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % has moved', claimed USING ERRCODE = 'SL001';
    END IF;
END;
$$;

-- Begin an append: wait for the appends before it, then claim the account. Being one
-- call it is one round trip; being two statements, the claim sees what they committed.
CREATE FUNCTION ledger.begin_append(
    append_lock bigint, claimed uuid, seen bigint, seen_mark bigint, next_mark bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(append_lock);
    PERFORM ledger.claim_account(claimed, seen, seen_mark, next_mark);
    PERFORM pg_catalog.pg_notify('stored_events', '');
END;
$$;

-- What is appended goes on from what is there, whoever appends it and in whatever way:
-- each event is the next of its stream, and stands behind all others. The events are
-- in the table already, so an event's predecessor may be one of them.
CREATE FUNCTION ledger.check_appended() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong record;
    last_appended bigint;
    last_stored bigint;
BEGIN
    SELECT added.originator_id, added.originator_version
      INTO wrong
      FROM added
     WHERE added.originator_version < 1
        OR (added.originator_version > 1
            AND (SELECT true
                   FROM ledger.stored_events AS stored
                  WHERE stored.originator_id = added.originator_id
                    AND stored.originator_version = added.originator_version - 1
                ) IS NULL)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'version % does not follow the last of its stream %',
            wrong.originator_version, wrong.originator_id
            USING ERRCODE = 'SL002';
    END IF;
    SELECT max(added.notification_id) INTO last_appended FROM added;
    SELECT max(stored.notification_id) INTO last_stored
      FROM ledger.stored_events AS stored;
    IF last_appended < last_stored THEN
        RAISE EXCEPTION 'position % lies before the last one, %',
            last_appended, last_stored
            USING ERRCODE = 'SL003';
    END IF;
    RETURN NULL;
END;
$$;

CREATE TRIGGER stored_events_go_on
    AFTER INSERT ON ledger.stored_events
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_appended();

-- Up to which instant answers were given that must not change any more (R78). An append
-- is recorded after it, whatever the clock did meanwhile.
CREATE TABLE ledger.answered (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    until timestamptz NOT NULL
);
COMMENT ON TABLE ledger.answered IS
    'One row: the latest instant at which somebody asked what was known.';

-- Whoever answers for an instant notes it, while no append is in flight. An instant
-- ahead of the clock counts only as far as the clock is: nobody can push it on.
CREATE FUNCTION ledger.note_answered(instant timestamptz) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO ledger.answered AS noted (until)
    VALUES (least(instant, clock_timestamp()))
        ON CONFLICT (single) DO UPDATE
       SET until = excluded.until
     WHERE noted.until < excluded.until;
$$;

-- The instant for the events that are about to be recorded: the clock; where that
-- stepped back, right after the last event and the last instant answered for. So no
-- append falls at an instant that had an answer. Called under the append lock only.
CREATE OR REPLACE FUNCTION ledger.next_recorded_at() RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$
    SELECT greatest(
        pg_catalog.clock_timestamp(),
        interval '1 microsecond' + (
            SELECT recorded_at
              FROM ledger.stored_events
             ORDER BY notification_id DESC
             LIMIT 1),
        interval '1 microsecond' + (SELECT until FROM ledger.answered)
    );
$$;

-- Lines of a file that were recorded under the digest of the bytes before them are still
-- known by it: there are few, or none.
CREATE INDEX recorded_command_of_bytes
    ON ledger.recorded_command (account_id, command_key)
 WHERE command_key >= 'import:' AND command_key < 'import;';

-- A snapshot may hold what was never recorded, where an append failed at a bad moment.
TRUNCATE ledger.snapshots;
