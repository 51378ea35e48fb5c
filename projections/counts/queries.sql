-- totals --
-- For each seat type under contract at a moment in some accounts: purchased, assigned and
-- pending; and of how many assignments and unassignments the window contains it.
SELECT step.account_no, step.seat_type, step.purchased, step.assigned,
       perhaps.freed AS perhaps_freed, perhaps.filled AS perhaps_filled,
       (SELECT coalesce(sum(reduction.quantity), 0)
          FROM reduction_at(%(known_position)s::bigint) AS reduction
         WHERE reduction.account_no = step.account_no
           AND reduction.seat_type = step.seat_type
           AND reduction.requested_at <= %(as_of)s::timestamptz
           AND (reduction.cancelled_at IS NULL
                OR reduction.cancelled_at > %(as_of)s::timestamptz)
           AND (reduction.renewed_at IS NULL OR reduction.renewed_at > %(as_of)s::timestamptz)
       ) AS pending_reduction
  FROM unnest(%(account_nos)s::bigint[]) AS selected(account_no)
 CROSS JOIN seat_type AS kind
 CROSS JOIN LATERAL (
       SELECT counted.account_no, counted.seat_type, counted.seats_purchased AS purchased,
              counted.seats_assigned AS assigned
         FROM {seat_count} AS counted
        WHERE counted.account_no = selected.account_no
          AND counted.seat_type = kind.type_no
          AND counted.at <= %(as_of)s::timestamptz
        ORDER BY counted.at DESC
        LIMIT 1) AS step
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE entry.topic = 'SeatUnassigned') AS freed,
              count(*) FILTER (WHERE entry.topic = 'SeatAssigned') AS filled
         FROM entry_at(%(known_position)s::bigint) AS entry
        WHERE entry.account_no = step.account_no
          AND entry.seat_type = step.seat_type
          AND entry.topic IN ('SeatAssigned', 'SeatUnassigned')
          AND entry.effective_after < %(as_of)s::timestamptz
          AND entry.effective_at > %(as_of)s::timestamptz) AS perhaps
 WHERE step.purchased > 0
 ORDER BY step.account_no, kind.name COLLATE "C";

-- windows --
-- What was derived from lists of an account, with windows that touch a time (R85).
SELECT entry.seat_type, entry.topic::text, entry.effective_after, entry.effective_at
  FROM entry_at(%(known_position)s::bigint) AS entry
 WHERE entry.account_no = %(account_no)s::bigint
   AND entry.topic IN ('SeatAssigned', 'SeatUnassigned')
   AND entry.effective_after IS NOT NULL
   AND entry.effective_after <= %(as_of)s::timestamptz
   AND entry.effective_at > %(since)s::timestamptz;

-- steps --
-- The step function of an account.
SELECT seat_type, at, seats_purchased AS purchased,
       seats_assigned AS assigned
  FROM {seat_count} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = %(account_no)s::bigint
 ORDER BY kind.name COLLATE "C", at;

-- many --
-- How many steps an account has, counted up to a limit.
SELECT count(*) AS many
  FROM (
       SELECT at
         FROM seat_count
        WHERE account_no = %(account_no)s::bigint
        LIMIT %(limit)s::bigint) AS step;

-- steps_before --
-- The last step of each type before each of some instants; by the index.
SELECT kind.type_no AS seat_type, selected.at, step.purchased, step.assigned
  FROM unnest(%(instants)s::timestamptz[]) AS selected(at)
 CROSS JOIN seat_type AS kind
 CROSS JOIN LATERAL (
       SELECT counted.seats_purchased AS purchased, counted.seats_assigned AS assigned
         FROM {seat_count} AS counted
        WHERE counted.account_no = %(account_no)s::bigint
          AND counted.seat_type = kind.type_no
          AND counted.at < selected.at
        ORDER BY counted.at DESC
        LIMIT 1) AS step
 ORDER BY selected.at;

-- steps_between --
-- The last step of each type in each of the spans between some instants; in one pass.
SELECT step.seat_type,
       (%(instants)s::timestamptz[])[step.span + 1] AS at,
       step.purchased, step.assigned
  FROM (
       SELECT DISTINCT ON (counted.seat_type, counted.span)
              counted.seat_type, counted.span, counted.purchased, counted.assigned
         FROM (
              SELECT seat_type, at, seats_purchased AS purchased,
                     seats_assigned AS assigned,
                     width_bucket(at, %(instants)s::timestamptz[]) AS span
                FROM {seat_count}
               WHERE account_no = %(account_no)s::bigint) AS counted
        ORDER BY counted.seat_type, counted.span, counted.at DESC
       ) AS step
 WHERE step.span < cardinality(%(instants)s::timestamptz[])
 ORDER BY at;
