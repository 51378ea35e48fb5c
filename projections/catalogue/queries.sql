-- numbers --
-- The number of each seat type that was ever added.
SELECT type_no, name
  FROM seat_type
 ORDER BY type_no;

-- listed --
-- The seat types as known at a position, with the last that was recorded of each.
SELECT listed.name AS listed, listed.exclusive, last.topic::text AS topic, last.position,
       last.effective_at, last.recorded_at, last.actor, last.reason
  FROM seat_type AS listed
  LEFT JOIN LATERAL (
       SELECT topic, position, effective_at, recorded_at, actor, reason
         FROM journal
        WHERE account_no = 0
          AND seat_type = listed.type_no
          AND topic IN ('SeatTypeAdded', 'SeatTypeWithdrawn')
          AND position <= %(known_position)s::bigint
        ORDER BY position DESC
        LIMIT 1) AS last ON true
 WHERE listed.added <= %(known_position)s::bigint
 ORDER BY listed.type_no;
