-- scope of billable_seats --
-- The kept figures of the touched types, in the touched periods.
stored.ctid = ANY (ARRAY(
    SELECT old.place
      FROM touched_types AS touched
     CROSS JOIN LATERAL (
           SELECT ctid AS place
             FROM billable_seats
            WHERE account_no = touched.account_no
              AND seat_type = touched.seat_type
              AND period_no >= touched.first_no
           OFFSET 0) AS old))
