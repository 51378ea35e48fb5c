-- knowledge --
-- What a question must know first: how far the store is known, and the clock.
SELECT position.at AS position,
       (SELECT recorded_at
          FROM projection.journal
         WHERE position <= position.at
         ORDER BY position DESC
         LIMIT 1) AS recorded_at
  FROM (SELECT %(position)s::bigint AS at) AS position;

-- last_at --
-- The last position that was recorded at or before an instant, and whether a later
-- one is recorded too.
SELECT (SELECT position
          FROM projection.journal
         WHERE recorded_at <= %(instant)s::timestamptz
         ORDER BY recorded_at DESC, position DESC
         LIMIT 1) AS position,
       EXISTS (SELECT 1
                 FROM projection.journal
                WHERE recorded_at > %(instant)s::timestamptz) AS passed;

-- contract --
-- An account's opening, zone changes and renewals, and when they became known.
SELECT topic, position, effective_at, data, renewal
  FROM projection.journal
 WHERE account_id = %(account_id)s::uuid
   AND topic IN ('AccountOpened', 'TimeZoneChanged', 'ContractRenewed')
 ORDER BY position;

-- contracts --
-- The same for every account.
SELECT account_id, topic, position, effective_at, data, renewal
  FROM projection.journal
 WHERE topic IN ('AccountOpened', 'TimeZoneChanged', 'ContractRenewed')
   AND position <= %(known)s::bigint
 ORDER BY account_id, position;

-- totals --
-- For each seat type under contract at a moment: purchased, assigned and pending.
SELECT life.seat_type,
       count(*) AS purchased,
       (SELECT count(*)
          FROM projection.holding(%(known)s::bigint) AS held
         WHERE held.account_id = %(account_id)s::uuid
           AND held.seat_type = life.seat_type
           AND held.held_from <= %(as_of)s::timestamptz
           AND (held.held_until IS NULL OR held.held_until > %(as_of)s::timestamptz)
       ) AS assigned,
       (SELECT coalesce(sum(asked.quantity), 0)
          FROM projection.reduction(%(known)s::bigint) AS asked
         WHERE asked.account_id = %(account_id)s::uuid
           AND asked.seat_type = life.seat_type
           AND asked.requested_at <= %(as_of)s::timestamptz
           AND (asked.cancelled_at IS NULL
                OR asked.cancelled_at > %(as_of)s::timestamptz)
           AND (asked.renewed_at IS NULL OR asked.renewed_at > %(as_of)s::timestamptz)
       ) AS pending_reduction
  FROM projection.seat_life(%(known)s::bigint) AS life
 WHERE life.account_id = %(account_id)s::uuid
   AND life.purchased_at <= %(as_of)s::timestamptz
   AND (life.retires_at IS NULL OR life.retires_at > %(as_of)s::timestamptz)
 GROUP BY life.seat_type
 ORDER BY life.seat_type COLLATE "C";

-- keys --
-- The keys of some accounts.
SELECT account_id, data ->> 'account_key' AS account_key
  FROM projection.journal
 WHERE topic = 'AccountOpened'
   AND account_id = ANY (%(account_ids)s::uuid[]);
