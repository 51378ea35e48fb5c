-- Seats under contract and held at the end of each month, over all accounts.
SELECT month, complete, sum(seats) AS seats, sum(held) AS held, sum(idle) AS idle
  FROM {{ source('projection', 'seat_month') }}
 GROUP BY month, complete
