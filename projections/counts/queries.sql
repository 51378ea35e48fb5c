-- totals --
-- For each seat type under contract at a moment: purchased, assigned and pending.
SELECT step.seat_type::text AS seat_type, step.purchased, step.assigned,
       (SELECT coalesce(sum(asked.quantity), 0)
          FROM reduction_at(%(known)s::bigint) AS asked
         WHERE asked.account_no = %(account_no)s::bigint
           AND asked.seat_type = step.seat_type
           AND asked.requested_at <= %(as_of)s::timestamptz
           AND (asked.cancelled_at IS NULL
                OR asked.cancelled_at > %(as_of)s::timestamptz)
           AND (asked.renewed_at IS NULL OR asked.renewed_at > %(as_of)s::timestamptz)
       ) AS pending_reduction
  FROM (
       SELECT DISTINCT ON (seat_type) seat_type, purchased, assigned
         FROM seat_count_at(%(known)s::bigint)
        WHERE account_no = %(account_no)s::bigint
          AND at <= %(as_of)s::timestamptz
        ORDER BY seat_type, at DESC
       ) AS step
 WHERE step.purchased > 0
 ORDER BY step.seat_type::text COLLATE "C";

-- steps --
-- The step function of an account.
SELECT seat_type::text AS seat_type, at, purchased, assigned
  FROM seat_count_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
 ORDER BY seat_type::text COLLATE "C", at;
