-- Who held which seat from when to when, knowing the events up to a position. The
-- k-th assignment of a user to a seat pairs with the k-th unassignment.
CREATE FUNCTION projection.holding(known bigint) RETURNS TABLE (
    account_id uuid,
    seat_type text,
    number integer,
    user_id uuid,
    nth bigint,
    held_from timestamptz,
    held_until timestamptz,
    assigned bigint,
    unassigned bigint
)
LANGUAGE sql STABLE AS $$
    SELECT mark.account_id,
           mark.seat_type,
           mark.number,
           mark.user_id,
           mark.nth,
           min(mark.effective_at) FILTER (WHERE mark.topic = 'SeatAssigned'),
           min(mark.effective_at) FILTER (WHERE mark.topic = 'SeatUnassigned'),
           min(mark.position) FILTER (WHERE mark.topic = 'SeatAssigned'),
           min(mark.position) FILTER (WHERE mark.topic = 'SeatUnassigned')
      FROM (
           SELECT held.account_id, held.seat_type, held.number, held.user_id,
                  held.topic, held.effective_at, held.position,
                  row_number() OVER (
                      PARTITION BY held.account_id, held.seat_type, held.number,
                                   held.user_id, held.topic
                      ORDER BY held.effective_at, held.position
                  ) AS nth
             FROM projection.entry(known) AS held
            WHERE held.topic IN ('SeatAssigned', 'SeatUnassigned')
              AND held.number IS NOT NULL
              AND held.user_id IS NOT NULL
           ) AS mark
     GROUP BY mark.account_id, mark.seat_type, mark.number, mark.user_id, mark.nth
$$;

-- From when to when each seat was under contract, knowing the events up to a position.
CREATE FUNCTION projection.seat_life(known bigint) RETURNS TABLE (
    account_id uuid,
    seat_type text,
    number integer,
    purchased_at timestamptz,
    retires_at timestamptz,
    purchased bigint,
    retired bigint
)
LANGUAGE sql STABLE AS $$
    SELECT said.account_id,
           said.seat_type,
           said.number,
           min(said.effective_at) FILTER (WHERE said.topic = 'SeatPurchased'),
           min(said.effective_at) FILTER (WHERE said.topic = 'SeatRetired'),
           min(said.position) FILTER (WHERE said.topic = 'SeatPurchased'),
           min(said.position) FILTER (WHERE said.topic = 'SeatRetired')
      FROM projection.entry(known) AS said
     WHERE said.topic IN ('SeatPurchased', 'SeatRetired')
       AND said.number IS NOT NULL
     GROUP BY said.account_id, said.seat_type, said.number
    HAVING count(*) FILTER (WHERE said.topic = 'SeatPurchased') > 0
$$;
