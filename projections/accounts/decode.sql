-- account --
-- Every account that was opened after one position, up to another. Of a stream of
-- `aside` only what stands before its position in `aside_from` is read (R74); where
-- there is an `only`, its streams alone.
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
          AND notification_id <= %(until_position)s::bigint
          AND topic = 'AccountOpened'
          AND is_read(originator_id, notification_id,
                      %(aside)s::uuid[], %(aside_from)s::bigint[])
          AND (%(only)s::uuid[] IS NULL OR originator_id = ANY (%(only)s::uuid[]))
       OFFSET 0
       ) AS stored;
