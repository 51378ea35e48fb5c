-- What "now" is to commands, questions and tokens: the clock; where that has stepped back,
-- the last recorded instant, so that nothing recorded lies ahead of it. A clock that is a
-- day or more behind is another fault (doctor names it): nothing is then recorded as if
-- it happened so far ahead.
CREATE FUNCTION ledger.database_now() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    clock timestamptz := clock_timestamp();
    latest timestamptz;
BEGIN
    SELECT recorded_at
      INTO latest
      FROM ledger.stored_events
     ORDER BY notification_id DESC
     LIMIT 1;
    IF latest > clock AND latest < clock + interval '1 day' THEN
        RETURN latest;
    END IF;
    RETURN clock;
END;
$$;
