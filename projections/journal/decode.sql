-- unreadable --
-- The first event that this program cannot decode, if there is one (R74).
SELECT notification_id AS position, topic
  FROM ledger.stored_events
 WHERE notification_id > %(after)s::bigint
   AND notification_id <= %(upto)s::bigint
   AND NOT (
       topic = ANY (%(topics)s::text[])
       AND left(convert_from(state, 'UTF8'), 7) = '{"v":1,'
   )
 ORDER BY notification_id
 LIMIT 1;

-- decode --
-- Every event after one position, up to another, as a row of the journal.
INSERT INTO projection.journal
SELECT stored.notification_id,
       stored.recorded_at,
       (stored.said ->> 'effective_at')::timestamptz,
       stored.topic,
       coalesce((stored.said ->> 'account')::uuid, stored.originator_id),
       stored.originator_id,
       stored.originator_version,
       CASE
           WHEN stored.said ->> 'account' IS NOT NULL THEN stored.originator_id
           ELSE (stored.said ->> 'user')::uuid
       END,
       stored.said ->> 'seat_type',
       (stored.said ->> 'number')::integer,
       stored.said ->> 'hub',
       (stored.said ->> 'quantity')::integer,
       (stored.said ->> 'renewal')::integer,
       (stored.said ->> 'request')::bigint,
       (stored.said ->> 'entry')::bigint,
       (stored.said ->> 'root')::bigint,
       (stored.said ->> 'holds')::boolean,
       (stored.said ->> 'super_admin')::boolean,
       (stored.said ->> 'account_access')::boolean,
       stored.said ->> 'actor',
       stored.said ->> 'reason',
       (stored.said ->> 'effective_at')::timestamptz < coalesce(
           greatest(
               max((stored.said ->> 'effective_at')::timestamptz) OVER (
                   PARTITION BY coalesce(
                       (stored.said ->> 'account')::uuid, stored.originator_id
                   )
                   ORDER BY stored.notification_id
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ),
               latest.effective_at
           ),
           '-infinity'
       ),
       stored.said - ARRAY[
           'v', 'effective_at', 'actor', 'reason', 'account', 'user', 'user_key',
           'email', CASE WHEN stored.topic = 'UserAdded' THEN 'name' END
       ]
  FROM (
       SELECT notification_id, recorded_at, topic, originator_id, originator_version,
              convert_from(state, 'UTF8')::jsonb AS said
         FROM ledger.stored_events
        WHERE notification_id > %(after)s::bigint
          AND notification_id <= %(upto)s::bigint
       OFFSET 0
       ) AS stored
  LEFT JOIN projection.account_latest AS latest
    ON latest.account_id
     = coalesce((stored.said ->> 'account')::uuid, stored.originator_id)
 ORDER BY stored.notification_id;

-- latest --
-- Keep the latest effective time of each account that the new rows touch.
INSERT INTO projection.account_latest AS kept (account_id, effective_at)
SELECT account_id, max(effective_at)
  FROM projection.journal
 WHERE position > %(after)s::bigint
   AND position <= %(upto)s::bigint
 GROUP BY account_id
    ON CONFLICT (account_id) DO UPDATE
   SET effective_at = greatest(kept.effective_at, excluded.effective_at);

-- directory --
-- Keep key, e-mail and name of each user that was added.
INSERT INTO projection.user_directory (user_id, account_id, user_key, email, name, added)
SELECT originator_id,
       (said ->> 'account')::uuid,
       said ->> 'user_key',
       said ->> 'email',
       said ->> 'name',
       notification_id
  FROM (
       SELECT notification_id, originator_id, convert_from(state, 'UTF8')::jsonb AS said
         FROM ledger.stored_events
        WHERE notification_id > %(after)s::bigint
          AND notification_id <= %(upto)s::bigint
          AND topic = 'UserAdded'
       OFFSET 0
       ) AS stored
    ON CONFLICT (user_id) DO NOTHING;
