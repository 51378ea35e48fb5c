-- current_assignment --
-- The holdings that nothing ends.
SELECT account_no, seat_type, number, user_no, held_from, assigned_position
  FROM {seat_holding}
 WHERE NOT reversed
   AND held_until IS NULL;
