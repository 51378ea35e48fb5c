-- Each event of an append stands behind all that was there before, not the last of them
-- alone: in a gap that a rollback left, whoever reads on from the last event would never
-- see it. And none is recorded at or before an instant that was recorded or answered for.
CREATE OR REPLACE FUNCTION ledger.check_appended() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong record;
    first_added record;
    before record;
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

    SELECT min(added.notification_id) AS position, count(*) AS events,
           min(added.recorded_at) AS recorded_at
      INTO first_added
      FROM added;
    IF first_added.events = 0 THEN
        RETURN NULL;
    END IF;
    IF first_added.position < (
        SELECT min(last.notification_id)
          FROM (SELECT stored.notification_id
                  FROM ledger.stored_events AS stored
                 ORDER BY stored.notification_id DESC
                 LIMIT first_added.events) AS last)
    THEN
        SELECT max(stored.notification_id) INTO last_stored
          FROM ledger.stored_events AS stored
         WHERE stored.notification_id > first_added.position
           AND NOT EXISTS (
            SELECT FROM added WHERE added.notification_id = stored.notification_id);
        RAISE EXCEPTION 'position % lies before the last one, %',
            first_added.position, last_stored
            USING ERRCODE = 'SL003';
    END IF;

    SELECT stored.notification_id AS position, stored.recorded_at
      INTO before
      FROM ledger.stored_events AS stored
     WHERE stored.notification_id < first_added.position
     ORDER BY stored.notification_id DESC
     LIMIT 1;
    IF first_added.recorded_at <= greatest(before.recorded_at, (
        SELECT answered.until FROM ledger.answered))
       OR first_added.recorded_at < (SELECT max(added.recorded_at) FROM added)
          AND EXISTS (
            SELECT
              FROM (SELECT added.recorded_at,
                           lag(added.recorded_at) OVER (
                               ORDER BY added.notification_id) AS previous
                      FROM added) AS ordered
             WHERE ordered.recorded_at < ordered.previous)
    THEN
        RAISE EXCEPTION 'position % is not recorded after those before it',
            first_added.position
            USING ERRCODE = 'SL003';
    END IF;
    RETURN NULL;
END;
$$;
