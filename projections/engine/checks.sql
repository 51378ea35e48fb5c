-- account_ranges --
-- Account numbers that cut the journal in shares with about equally many events.
SELECT percentile_disc(%(shares)s::float8[]) WITHIN GROUP (ORDER BY account_no)
  FROM (SELECT account_no
          FROM journal
         WHERE position %% greatest(1, (SELECT max(position) / 20000 FROM journal)) = 0
       ) AS sampled;

-- journal_is_whole --
-- Every event of the store up to the ceiling is in the journal, but for those of accounts
-- that are set aside.
SELECT stored.events, decoded.events AS decoded, %(ceiling)s::bigint AS position
  FROM (SELECT count(*) AS events
          FROM ledger.stored_events
         WHERE notification_id <= %(ceiling)s::bigint
           AND is_read(originator_id, notification_id,
                       %(aside)s::uuid[], %(aside_from)s::bigint[])
       ) AS stored,
       (SELECT count(*) AS events FROM journal
         WHERE position <= %(ceiling)s::bigint) AS decoded
 WHERE stored.events <> decoded.events;

-- one_holder_at_once --
-- No two holdings of a seat overlap (R24). An empty one may lie where others begin or
-- end, but not strictly inside (R46).
SELECT account.account_key AS account, kind.name AS seat_type, held.number,
       held.held_from, held.assigned_position AS position
  FROM (
       SELECT account_no, seat_type, number, held_from, held_until, assigned_position,
              lag(coalesce(held_until, 'infinity')) OVER (
                  PARTITION BY account_no, seat_type, number
                  ORDER BY held_from, held_until NULLS LAST, assigned_position
              ) AS before,
              lag(held_from) OVER (
                  PARTITION BY account_no, seat_type, number
                  ORDER BY held_from, held_until NULLS LAST, assigned_position
              ) AS began_before
         FROM seat_holding
        WHERE NOT reversed
       ) AS held
  JOIN account ON account.account_no = held.account_no
  JOIN seat_type AS kind ON kind.type_no = held.seat_type
 WHERE held.before > held.held_from
   AND held.began_before < coalesce(held.held_until, 'infinity')
 ORDER BY position
 LIMIT 1;

-- holdings_have_both_ends --
-- Every unassignment ends a holding (R46 d).
SELECT account.account_key AS account, kind.name AS seat_type, held.number,
       held.held_until, held.unassigned_position AS position
  FROM seat_holding AS held
  JOIN account ON account.account_no = held.account_no
  JOIN seat_type AS kind ON kind.type_no = held.seat_type
 WHERE NOT held.reversed
   AND (held.assigned_position IS NULL OR held.held_until < held.held_from)
 ORDER BY position
 LIMIT 1;

-- unpaired --
-- An unassignment that has nothing at all to end makes no row that the table takes: the
-- first from which on a seat has more of them than assignments.
SELECT account.account_key AS account, kind.name AS seat_type, entry.number,
       entry.effective_at AS held_until, entry.position
  FROM (
       SELECT position, excess,
              max(position) FILTER (WHERE excess <= 0) OVER (
                  PARTITION BY account_no, seat_type, number, user_no) AS last_right
         FROM (
              SELECT account_no, seat_type, number, user_no, position,
                     sum(CASE topic WHEN 'SeatUnassigned' THEN 1 ELSE -1 END) OVER (
                         PARTITION BY account_no, seat_type, number, user_no
                         ORDER BY position) AS excess
                FROM entry_at(%(ceiling)s::bigint)
               WHERE topic IN ('SeatAssigned', 'SeatUnassigned')
              ) AS counted
       ) AS unmatched
  JOIN journal AS entry ON entry.position = unmatched.position
  JOIN account ON account.account_no = entry.account_no
  JOIN seat_type AS kind ON kind.type_no = entry.seat_type
 WHERE unmatched.excess > 0
   AND unmatched.position > coalesce(unmatched.last_right, 0)
 ORDER BY entry.position
 LIMIT 1;

-- account_twice --
-- The first second opening of an account.
SELECT min(account_no)
  FROM (SELECT account_no,
               row_number() OVER (PARTITION BY account_id ORDER BY account_no) AS nth
          FROM account) AS opened
 WHERE nth > 1;

-- person_twice --
-- The first second beginning of a user.
SELECT min(user_no)
  FROM (SELECT user_no,
               row_number() OVER (PARTITION BY user_id ORDER BY user_no) AS nth
          FROM person) AS added
 WHERE nth > 1;

-- astray --
-- A reversal of what is no entry of its account.
SELECT min(reversal.position) AS position
  FROM journal AS reversal
  LEFT JOIN LATERAL (
       SELECT entry.account_no
         FROM journal AS entry
        WHERE entry.position = reversal.root
       OFFSET 0) AS root ON true
 WHERE reversal.topic = 'EntryReversed'
   AND root.account_no IS DISTINCT FROM reversal.account_no;

-- broken_streams --
-- Streams in which versions are missing or come twice (R74).
SELECT originator_id
  FROM ledger.stored_events
 WHERE notification_id <= %(ceiling)s::bigint
   AND is_read(originator_id, notification_id,
               %(aside)s::uuid[], %(aside_from)s::bigint[])
 GROUP BY originator_id
HAVING count(*) <> max(originator_version)
    OR min(originator_version) <> 1
    OR sum(least(originator_version, 2147483647)::integer) * 2 <> count(*) * (count(*) + 1);

-- holdings_within_seats --
-- A seat is held only while it is under contract (R24).
SELECT account.account_key AS account, kind.name AS seat_type, held.number,
       held.held_from, held.assigned_position AS position
  FROM seat_holding AS held
  LEFT JOIN seat
    ON seat.account_no = held.account_no
   AND seat.seat_type = held.seat_type
   AND seat.number = held.number
  JOIN account ON account.account_no = held.account_no
  JOIN seat_type AS kind ON kind.type_no = held.seat_type
 WHERE NOT held.reversed
   AND (seat.purchased_at IS NULL
        OR held.held_from < seat.purchased_at
        OR seat.retires_at < coalesce(held.held_until, 'infinity'))
 ORDER BY position
 LIMIT 1;

-- counts_within_contract --
-- Never are more seats held than are under contract.
SELECT account.account_key AS account, kind.name AS seat_type, step.at,
       step.seats_assigned AS assigned, step.seats_purchased AS purchased,
       (SELECT max(entry.position)
          FROM journal AS entry
         WHERE entry.account_no = step.account_no
           AND entry.seat_type = step.seat_type
           AND entry.number IS NOT NULL
           AND entry.effective_at = step.at) AS position
  FROM seat_count AS step
  JOIN account ON account.account_no = step.account_no
  JOIN seat_type AS kind ON kind.type_no = step.seat_type
 WHERE step.seats_assigned > step.seats_purchased
    OR step.seats_assigned < 0
 ORDER BY position
 LIMIT 1;

-- counts_equal_holdings --
-- The counts, which come straight from the journal, are those of the holdings and of
-- the seats: by type, the hashed instants of all changes add up to the same sums. Where
-- they do not, the first instant at which something else changed is looked for.
SELECT account.account_key AS account, kind.name AS seat_type,
       summed.held, summed.counted,
       (SELECT max(entry.position)
          FROM journal AS entry
         WHERE entry.account_no = summed.account_no
           AND entry.seat_type = summed.seat_type
           AND entry.number IS NOT NULL
           AND entry.effective_at = differing.since) AS position
  FROM (
       SELECT account_no, seat_type, sum(held) AS held, sum(counted) AS counted,
              sum(bought) AS bought, sum(counted_bought) AS counted_bought
         FROM (
              SELECT account_no, seat_type,
                     sum(hashfloat8(date_part('epoch', held_from))::bigint
                         - coalesce(hashfloat8(date_part('epoch', held_until))::bigint, 0)) AS held,
                     0::numeric AS counted, 0::numeric AS bought,
                     0::numeric AS counted_bought
                FROM seat_holding
               WHERE NOT reversed
               GROUP BY account_no, seat_type
              UNION ALL
              SELECT account_no, seat_type, 0, 0,
                     sum(hashfloat8(date_part('epoch', purchased_at))::bigint
                         - coalesce(hashfloat8(date_part('epoch', retires_at))::bigint, 0)),
                     0
                FROM seat
               GROUP BY account_no, seat_type
              UNION ALL
              SELECT account_no, seat_type, 0,
                     sum(hashfloat8(date_part('epoch', at))::bigint * (filled - freed)), 0,
                     sum(hashfloat8(date_part('epoch', at))::bigint * (bought - retired))
                FROM seat_count
               GROUP BY account_no, seat_type
              ) AS sides
        GROUP BY account_no, seat_type
       ) AS summed
  JOIN account ON account.account_no = summed.account_no
  JOIN seat_type AS kind ON kind.type_no = summed.seat_type
 CROSS JOIN LATERAL (
       SELECT min(at) AS since
         FROM (
              SELECT at
                FROM (
                     SELECT held_from AS at, 1 AS filled, 0 AS freed, 0 AS bought,
                            0 AS retired
                       FROM seat_holding
                      WHERE account_no = summed.account_no
                        AND seat_type = summed.seat_type
                        AND NOT reversed
                     UNION ALL
                     SELECT held_until, 0, 1, 0, 0
                       FROM seat_holding
                      WHERE account_no = summed.account_no
                        AND seat_type = summed.seat_type
                        AND NOT reversed
                        AND held_until IS NOT NULL
                     UNION ALL
                     SELECT purchased_at, 0, 0, 1, 0
                       FROM seat
                      WHERE account_no = summed.account_no
                        AND seat_type = summed.seat_type
                     UNION ALL
                     SELECT retires_at, 0, 0, 0, 1
                       FROM seat
                      WHERE account_no = summed.account_no
                        AND seat_type = summed.seat_type
                        AND retires_at IS NOT NULL
                     UNION ALL
                     SELECT at, -filled, -freed, -bought, -retired
                       FROM seat_count
                      WHERE account_no = summed.account_no
                        AND seat_type = summed.seat_type
                     ) AS changes
               GROUP BY at
              HAVING sum(filled) <> 0
                  OR sum(freed) <> 0
                  OR sum(bought) <> 0
                  OR sum(retired) <> 0
              ) AS instants
       ) AS differing
 WHERE summed.held <> summed.counted
    OR summed.bought <> summed.counted_bought
 ORDER BY position
 LIMIT 1;

-- columns --
-- The columns of a table in its order, and which hold words of an enumeration: their
-- numbers differ from one generation to the next.
SELECT attribute.attname::text, type.typtype = 'e' AS is_word
  FROM pg_catalog.pg_attribute AS attribute
  JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
 WHERE attribute.attrelid = %(name)s::text::regclass
   AND attribute.attnum > 0
   AND NOT attribute.attisdropped
 ORDER BY attribute.attnum;
