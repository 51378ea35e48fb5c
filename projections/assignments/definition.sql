-- The holdings that nothing ends, knowing the events up to a position.
CREATE FUNCTION current_assignment_at(known_position bigint) RETURNS SETOF current_assignment
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT held.account_no, held.seat_type, held.number, held.user_no, held.held_from,
           held.assigned_position
      FROM seat_holding_at(known_position) AS held
     WHERE NOT held.reversed
       AND held.held_until IS NULL;
END;
