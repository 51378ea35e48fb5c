-- Holdings that began and ended in each month of an account.
SELECT account, month, sum(joins) AS joins, sum(leaves) AS leaves,
       sum(joins) - sum(leaves) AS change
  FROM {{ source('projection', 'seat_month') }}
 GROUP BY account, month
