-- From when to when each seat is under contract, knowing the events up to a position.
CREATE FUNCTION seat_at(known_position bigint) RETURNS SETOF seat
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.account_no,
           entry.seat_type,
           entry.number,
           min(entry.effective_at) FILTER (WHERE entry.topic = 'SeatPurchased'),
           min(entry.effective_at) FILTER (WHERE entry.topic = 'SeatRetired'),
           min(entry.position) FILTER (WHERE entry.topic = 'SeatPurchased'),
           min(entry.position) FILTER (WHERE entry.topic = 'SeatRetired')
      FROM entry_at(known_position) AS entry
     WHERE entry.topic IN ('SeatPurchased', 'SeatRetired')
       AND entry.number IS NOT NULL
     GROUP BY entry.account_no, entry.seat_type, entry.number
    HAVING count(*) FILTER (WHERE entry.topic = 'SeatPurchased') > 0;
END;

-- Who held which seat from when to when, knowing the events up to a position. The k-th
-- assignment of a user to a seat pairs with the k-th unassignment; what was reversed
-- stands alone.
CREATE FUNCTION seat_holding_at(known_position bigint) RETURNS SETOF seat_holding
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
             FROM entry_at(known_position) AS held
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
      FROM reversed_entry_at(known_position) AS mark
     WHERE mark.topic IN ('SeatAssigned', 'SeatUnassigned')
       AND mark.number IS NOT NULL
       AND mark.user_no IS NOT NULL;
END;
