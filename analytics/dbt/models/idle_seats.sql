-- What is under contract now and held by nobody, by account and seat type.
SELECT account, seat_type, seats, held, idle
  FROM {{ source('projection', 'seat_month') }}
 WHERE NOT complete AND idle > 0
