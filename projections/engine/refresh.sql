-- recorded_later --
-- The first event after a position that was recorded later than the event there.
SELECT notification_id
  FROM ledger.stored_events
 WHERE notification_id > %(until_position)s::bigint
   AND notification_id <= %(furthest)s::bigint
   AND recorded_at > (
       SELECT recorded_at
         FROM ledger.stored_events
        WHERE notification_id <= %(until_position)s::bigint
        ORDER BY notification_id DESC
        LIMIT 1)
 ORDER BY notification_id
 LIMIT 1;

-- touched --
-- What a batch of events touched: seats, types of accounts since an instant, and
-- contracts since an instant. A reversal touches what its root touched; one whose root
-- is no entry of its account is `astray`. Of one account, where it is named.
WITH entry AS (
    SELECT coalesce(root.topic, new.topic) AS topic, new.account_no, new.position,
           new.topic = 'EntryReversed'
               AND root.account_no IS DISTINCT FROM new.account_no AS astray,
           coalesce(root.seat_type, new.seat_type) AS seat_type,
           coalesce(root.number, new.number) AS number,
           least(root.effective_at, new.effective_at) AS since
      FROM journal AS new
      LEFT JOIN journal AS root
        ON new.topic = 'EntryReversed'
       AND root.position = new.root
     WHERE new.position > %(after)s::bigint
       AND new.position <= %(until_position)s::bigint
       AND (%(account_no)s::bigint IS NULL
            OR new.account_no = %(account_no)s::bigint)
)
SELECT 'seat' AS kind, account_no, seat_type, number,
       min(since) AS since, NULL::bigint AS position
  FROM entry
 WHERE number IS NOT NULL
 GROUP BY account_no, seat_type, number
UNION ALL
SELECT 'astray', account_no, NULL, NULL, NULL, min(position)
  FROM entry
 WHERE astray
 GROUP BY account_no
UNION ALL
-- A change of the contract, or its end, shortens the period before it too.
SELECT 'contract', account_no, NULL, NULL,
       min(CASE WHEN topic IN ('ContractChanged', 'AccountClosed')
                THEN timestamptz '0002-01-01Z' ELSE since END),
       NULL
  FROM entry
 WHERE topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'ContractChanged', 'AccountClosed'
       )
 GROUP BY account_no;

-- unpaired --
-- Where touched seats have more unassignments than assignments: by account the first
-- event from which on it is so (R46 d).
SELECT account_no, min(position) AS position
  FROM (
       SELECT account_no, position, excess,
              max(position) FILTER (WHERE excess <= 0) OVER (
                  PARTITION BY account_no, seat_type, number, user_no) AS last_right
         FROM (
              SELECT held.account_no, held.seat_type, held.number, held.user_no,
                     held.position,
                     sum(CASE held.topic WHEN 'SeatUnassigned' THEN 1 ELSE -1 END) OVER (
                         PARTITION BY held.account_no, held.seat_type, held.number,
                                      held.user_no
                         ORDER BY held.position) AS excess
                FROM unnest(
                     %(seat_accounts)s::bigint[], %(seat_types)s::integer[],
                     %(seat_numbers)s::integer[]) AS touched(
                     account_no, seat_type, number)
               CROSS JOIN LATERAL (
                     SELECT *
                       FROM entry_at(%(known_position)s::bigint)
                      WHERE account_no = touched.account_no
                        AND seat_type = touched.seat_type
                        AND number = touched.number
                        AND topic IN ('SeatAssigned', 'SeatUnassigned')
                     OFFSET 0) AS held
              ) AS counted
       ) AS unmatched
 WHERE excess > 0
   AND position > coalesce(last_right, 0)
 GROUP BY account_no
 ORDER BY position;

-- boundary --
-- The last position before an event that was recorded earlier than it.
SELECT coalesce(max(earlier.notification_id), 0)
  FROM ledger.stored_events AS earlier
 WHERE earlier.notification_id < %(position)s::bigint
   AND earlier.notification_id > %(after)s::bigint
   AND earlier.recorded_at < (
       SELECT recorded_at
         FROM ledger.stored_events
        WHERE notification_id = %(position)s::bigint);

-- types_of --
-- Every type that some accounts ever bought.
SELECT DISTINCT account_no, seat_type
  FROM seat
 WHERE account_no = ANY (%(account_nos)s::bigint[]);

-- touched_seats --
SELECT account_no, seat_type, number
  FROM unnest(
       %(seat_accounts)s::bigint[], %(seat_types)s::integer[],
       %(seat_numbers)s::integer[]) AS touched(account_no, seat_type, number)

-- touched_types --
SELECT account_no, seat_type, since
  FROM unnest(
       %(type_accounts)s::bigint[], %(types)s::integer[],
       %(sinces)s::timestamptz[]) AS touched(account_no, seat_type, since)
