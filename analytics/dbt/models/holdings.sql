-- Who held which seat, by the person's id; what was reversed never was.
SELECT assigned, account, seat_type, seat, user_id, held_from, held_until,
       held_until IS NULL AS is_open
  FROM {{ source('projection', 'seat_holding') }}
 WHERE NOT reversed
