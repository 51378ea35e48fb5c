-- bought --
-- Whether a seat was ever bought, at any position up to the head.
SELECT EXISTS (
    SELECT 1
      FROM projection.journal
     WHERE account_id = %(account_id)s::uuid
       AND seat_type = %(seat_type)s::text
       AND number = %(number)s::integer
       AND topic = 'SeatPurchased'
) AS bought;

-- life --
-- From when to when a seat was under contract.
SELECT purchased_at, retires_at
  FROM projection.seat_life(%(known)s::bigint)
 WHERE account_id = %(account_id)s::uuid
   AND seat_type = %(seat_type)s::text
   AND number = %(number)s::integer;

-- lives --
-- Every seat's life in an account.
SELECT seat_type, number, purchased_at, retires_at, purchased, retired
  FROM projection.seat_life(%(known)s::bigint)
 WHERE account_id = %(account_id)s::uuid
 ORDER BY seat_type COLLATE "C", number;

-- of_seat --
-- Who held a seat, in order.
SELECT seat_type, number, user_id, held_from, held_until, assigned, unassigned
  FROM projection.holding(%(known)s::bigint)
 WHERE account_id = %(account_id)s::uuid
   AND seat_type = %(seat_type)s::text
   AND number = %(number)s::integer
 ORDER BY held_from, held_until, assigned;

-- of_users --
-- What some users held, in order.
SELECT seat_type, number, user_id, held_from, held_until, assigned, unassigned
  FROM projection.holding(%(known)s::bigint)
 WHERE account_id = %(account_id)s::uuid
   AND user_id = ANY (%(user_ids)s::uuid[])
 ORDER BY held_from, held_until, assigned;

-- of_account --
-- Every holding in an account.
SELECT seat_type, number, user_id, held_from, held_until, assigned, unassigned
  FROM projection.holding(%(known)s::bigint)
 WHERE account_id = %(account_id)s::uuid
 ORDER BY seat_type COLLATE "C", number, held_from, held_until, assigned;

-- reversed_marks --
-- Assignments and unassignments that do not hold, of a seat or of some users.
SELECT said.topic, said.seat_type, said.number, said.user_id, said.effective_at,
       said.position
  FROM projection.journal AS said
 WHERE said.account_id = %(account_id)s::uuid
   AND (%(seat_type)s::text IS NULL
        OR (said.seat_type = %(seat_type)s::text
            AND said.number = %(number)s::integer))
   AND (%(user_ids)s::uuid[] IS NULL OR said.user_id = ANY (%(user_ids)s::uuid[]))
   AND said.topic IN ('SeatAssigned', 'SeatUnassigned')
   AND said.position <= %(known)s::bigint
   AND NOT EXISTS (
       SELECT 1
         FROM projection.entry(%(known)s::bigint) AS held
        WHERE held.position = said.position
   )
 ORDER BY said.effective_at, said.position;

-- acts --
-- By whom, why and when some entries were recorded.
SELECT position, actor, reason, recorded_at
  FROM projection.journal
 WHERE position = ANY (%(positions)s::bigint[]);
