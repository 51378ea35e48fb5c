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

-- Every unassignment that was requested for a period's end (R98), with its cancellation,
-- what carried it out, and the holding that it is to end, knowing the events up to a
-- position. What was carried out stays so, whatever is reversed later.
CREATE FUNCTION unassignment_at(known_position bigint) RETURNS TABLE (
    account_no bigint,
    seat_type integer,
    number integer,
    user_no bigint,
    period date,
    requested_at timestamptz,
    cancelled_at timestamptz,
    carried_out_at timestamptz,
    held_from timestamptz,
    held_until timestamptz,
    requested bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT request.account_no,
           request.seat_type,
           request.number,
           request.user_no,
           (request.details ->> 'period')::date,
           request.effective_at,
           (SELECT min(cancelled.effective_at)
              FROM entry_at(known_position) AS cancelled
             WHERE cancelled.topic = 'UnassignmentCancelled'
               AND cancelled.account_no = request.account_no
               AND cancelled.user_no = request.user_no
               AND cancelled.request = request.version),
           (SELECT min(unassigned.effective_at)
              FROM journal AS unassigned
             WHERE unassigned.topic = 'SeatUnassigned'
               AND unassigned.account_no = request.account_no
               AND unassigned.seat_type = request.seat_type
               AND unassigned.number = request.number
               AND unassigned.request = request.version
               AND unassigned.position <= known_position),
           held.held_from,
           held.held_until,
           request.position
      FROM entry_at(known_position) AS request
      LEFT JOIN LATERAL (
           SELECT holding.held_from, holding.held_until
             FROM seat_holding_at(known_position) AS holding
            WHERE holding.account_no = request.account_no
              AND holding.seat_type = request.seat_type
              AND holding.number = request.number
              AND holding.user_no = request.user_no
              AND NOT holding.reversed
              AND holding.held_from <= request.effective_at
              AND (holding.held_until IS NULL
                   OR holding.held_until > request.effective_at)
           OFFSET 0) AS held ON true
     WHERE request.topic = 'UnassignmentRequested';
END;
