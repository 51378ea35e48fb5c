-- A month begins where the one before it ended.
SELECT month.account, month.seat_type, month.month
  FROM {{ source('projection', 'seat_month') }} AS month
  JOIN {{ source('projection', 'seat_month') }} AS before
    ON before.account = month.account AND before.seat_type = month.seat_type
   AND before.month = month.month - interval '1 month'
 WHERE month.opening <> before.seats
    OR month.held <> before.held + month.joins - month.leaves
    OR month.seats <> month.opening + month.bought - month.retired
