-- pending_unassignments --
-- Unassignments that are to be carried out (R98).
SELECT account_no, period, requested_at
  FROM unassignment_at(%(known_position)s::bigint)
 WHERE cancelled_at IS NULL
   AND carried_out_at IS NULL
   AND held_from IS NOT NULL
   AND held_until IS NULL;
