-- seat_count --
SELECT touched.account_no, touched.seat_type, step.at,
       (coalesce(before.seats_purchased, 0) + sum(step.bought - step.retired) OVER so_far)
           ::integer AS seats_purchased,
       (coalesce(before.seats_assigned, 0) + sum(step.filled - step.freed) OVER so_far)
           ::integer AS seats_assigned,
       step.bought, step.retired, step.filled, step.freed
  FROM touched
  LEFT JOIN LATERAL (
       SELECT seats_purchased, seats_assigned
         FROM seat_count
        WHERE account_no = touched.account_no
          AND seat_type = touched.seat_type
          AND at < touched.since
        ORDER BY at DESC
        LIMIT 1) AS before ON true
 CROSS JOIN LATERAL (
       SELECT *
         FROM seat_step_at(%(known_position)s::bigint)
        WHERE account_no = touched.account_no
          AND seat_type = touched.seat_type
          AND at >= touched.since
       OFFSET 0) AS step
WINDOW so_far AS (
       PARTITION BY touched.account_no, touched.seat_type ORDER BY step.at)

-- scope of seat_count --
-- The kept steps of the touched types, found by index, however few accounts there are.
stored.ctid = ANY (ARRAY(
    SELECT old.place
      FROM touched
     CROSS JOIN LATERAL (
           SELECT ctid AS place
             FROM seat_count
            WHERE account_no = touched.account_no
              AND seat_type = touched.seat_type
              AND at >= touched.since
           OFFSET 0) AS old))
