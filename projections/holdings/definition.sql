-- From when to when each seat is under contract, knowing the events up to a position.
CREATE FUNCTION seat_at(known bigint) RETURNS SETOF seat
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT said.account_no,
           said.seat_type,
           said.number,
           min(said.effective_at) FILTER (WHERE said.topic = 'SeatPurchased'),
           min(said.effective_at) FILTER (WHERE said.topic = 'SeatRetired'),
           min(said.position) FILTER (WHERE said.topic = 'SeatPurchased'),
           min(said.position) FILTER (WHERE said.topic = 'SeatRetired')
      FROM entry_at(known) AS said
     WHERE said.topic IN ('SeatPurchased', 'SeatRetired')
       AND said.number IS NOT NULL
     GROUP BY said.account_no, said.seat_type, said.number
    HAVING count(*) FILTER (WHERE said.topic = 'SeatPurchased') > 0;
END;

-- Who held which seat from when to when, knowing the events up to a position. The k-th
-- assignment of a user to a seat pairs with the k-th unassignment; what was reversed
-- stands alone.
CREATE FUNCTION seat_holding_at(known bigint) RETURNS SETOF seat_holding
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT min(mark.position) FILTER (WHERE mark.topic = 'SeatAssigned'),
           mark.account_no,
           mark.seat_type,
           mark.number,
           mark.user_no,
           min(mark.effective_at) FILTER (WHERE mark.topic = 'SeatAssigned'),
           min(mark.effective_at) FILTER (WHERE mark.topic = 'SeatUnassigned'),
           min(mark.position) FILTER (WHERE mark.topic = 'SeatAssigned'),
           min(mark.position) FILTER (WHERE mark.topic = 'SeatUnassigned'),
           false
      FROM (
           SELECT held.account_no, held.seat_type, held.number, held.user_no,
                  held.topic, held.effective_at, held.position,
                  row_number() OVER (
                      PARTITION BY held.account_no, held.seat_type, held.number,
                                   held.user_no, held.topic
                      ORDER BY held.effective_at, held.position
                  ) AS nth
             FROM entry_at(known) AS held
            WHERE held.topic IN ('SeatAssigned', 'SeatUnassigned')
              AND held.number IS NOT NULL
              AND held.user_no IS NOT NULL
           ) AS mark
     GROUP BY mark.account_no, mark.seat_type, mark.number, mark.user_no, mark.nth
    UNION ALL
    SELECT mark.position,
           mark.account_no,
           mark.seat_type,
           mark.number,
           mark.user_no,
           CASE WHEN mark.topic = 'SeatAssigned' THEN mark.effective_at END,
           CASE WHEN mark.topic = 'SeatUnassigned' THEN mark.effective_at END,
           CASE WHEN mark.topic = 'SeatAssigned' THEN mark.position END,
           CASE WHEN mark.topic = 'SeatUnassigned' THEN mark.position END,
           true
      FROM reversed_entry_at(known) AS mark
     WHERE mark.topic IN ('SeatAssigned', 'SeatUnassigned')
       AND mark.number IS NOT NULL
       AND mark.user_no IS NOT NULL;
END;
