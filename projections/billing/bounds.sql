-- least_held --
-- The holdings of some accounts as if each had begun as late and ended as early as its
-- windows allow (R89). What begins a window is evidence that the seat was held at that
-- instant (R85): the earliest end is the instant after it.
SELECT held.account_no, held.seat_type, held.number, held.user_no, held.held_from,
       CASE
           WHEN held.held_until IS NOT NULL
           THEN greatest(
               held.held_from,
               coalesce(
                   closing.effective_after + interval '1 microsecond',
                   held.held_until))
       END AS held_until
  FROM seat_holding_at(%(known_position)s::bigint) AS held
  LEFT JOIN journal AS closing ON closing.position = held.unassigned_position
 WHERE held.account_no = ANY (%(accounts)s::bigint[])
   AND NOT held.reversed

-- least_seats --
-- The seats of some accounts as if each had been bought as early as its window allows:
-- with holdings that are as short as can be most are idle, and with others least.
SELECT its.account_no, its.seat_type,
       coalesce(bought.effective_after, its.purchased_at) AS purchased_at,
       its.retires_at
  FROM seat_at(%(known_position)s::bigint) AS its
  LEFT JOIN journal AS bought ON bought.position = its.purchased_position
 WHERE its.account_no = ANY (%(accounts)s::bigint[])

-- most_held --
-- The same as if each had begun as early and ended as late.
SELECT held.account_no, held.seat_type, held.number, held.user_no,
       coalesce(opening.effective_after, held.held_from) AS held_from, held.held_until
  FROM seat_holding_at(%(known_position)s::bigint) AS held
  LEFT JOIN journal AS opening ON opening.position = held.assigned_position
 WHERE held.account_no = ANY (%(accounts)s::bigint[])
   AND NOT held.reversed

-- most_seats --
-- The seats as they are recorded, which is as late as their windows allow.
SELECT account_no, seat_type, purchased_at, retires_at
  FROM seat_at(%(known_position)s::bigint)
 WHERE account_no = ANY (%(accounts)s::bigint[])

-- bounded_steps --
-- The counts that follow from such seats and holdings.
SELECT account_no, seat_type, "at",
       (sum(bought - retired) OVER so_far)::integer AS seats_purchased,
       (sum(filled - freed) OVER so_far)::integer AS seats_assigned,
       bought, retired, filled, freed
  FROM (
       SELECT account_no, seat_type, "at", sum(bought)::integer AS bought,
              sum(retired)::integer AS retired, sum(filled)::integer AS filled,
              sum(freed)::integer AS freed
         FROM (
              SELECT account_no, seat_type, purchased_at AS "at", 1 AS bought,
                     0 AS retired, 0 AS filled, 0 AS freed
                FROM bounded_seat
              UNION ALL
              SELECT account_no, seat_type, retires_at, 0, 1, 0, 0
                FROM bounded_seat
               WHERE retires_at IS NOT NULL
              UNION ALL
              SELECT account_no, seat_type, held_from, 0, 0, 1, 0
                FROM bounded
              UNION ALL
              SELECT account_no, seat_type, held_until, 0, 0, 0, 1
                FROM bounded
               WHERE held_until IS NOT NULL
              ) AS marks
        GROUP BY account_no, seat_type, "at"
       ) AS summed
WINDOW so_far AS (PARTITION BY account_no, seat_type ORDER BY "at")

-- bounded_held --
SELECT account_no, seat_type, number, user_no, held_from, held_until
  FROM bounded
