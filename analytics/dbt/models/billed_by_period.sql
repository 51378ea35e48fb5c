-- What is billable in each billing period, by the rule in force at its start.
SELECT account, seat_type, period, starts, ends, mode, granularity, quantity
  FROM {{ source('projection', 'billable_seats') }}
