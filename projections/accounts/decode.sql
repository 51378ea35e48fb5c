-- account --
-- Every account that was opened after one position, up to another.
INSERT INTO account
SELECT stored.position,
       stored.stream,
       stored.whole ->> 'account_key',
       stored.whole ->> 'name',
       (stored.whole ->> 'effective_at')::timestamptz
  FROM (
       SELECT notification_id AS position, originator_id AS stream,
              convert_from(state, 'UTF8')::jsonb AS whole
         FROM ledger.stored_events
        WHERE notification_id > %(after)s::bigint
          AND notification_id <= %(upto)s::bigint
          AND topic = 'AccountOpened'
       OFFSET 0
       ) AS stored;
