-- What changes in a type's counts at one instant, knowing the events up to a position:
-- straight from the journal, so that holdings can be held against it.
CREATE FUNCTION seat_step_at(known_position bigint) RETURNS TABLE (
    account_no bigint,
    seat_type integer,
    at timestamptz,
    bought integer,
    retired integer,
    filled integer,
    freed integer
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.account_no,
           entry.seat_type,
           entry.effective_at,
           count(*) FILTER (WHERE entry.topic = 'SeatPurchased')::integer,
           count(*) FILTER (WHERE entry.topic = 'SeatRetired')::integer,
           count(*) FILTER (WHERE entry.topic = 'SeatAssigned')::integer,
           count(*) FILTER (WHERE entry.topic = 'SeatUnassigned')::integer
      FROM entry_at(known_position) AS entry
     WHERE entry.number IS NOT NULL
       AND (entry.topic <> 'SeatRetired'
            OR NOT EXISTS (
               SELECT 1
                 FROM reversed_entry_at(known_position) AS purchase
                WHERE purchase.topic = 'SeatPurchased'
                  AND purchase.account_no = entry.account_no
                  AND purchase.seat_type = entry.seat_type
                  AND purchase.number = entry.number))
     GROUP BY entry.account_no, entry.seat_type, entry.effective_at;
END;

-- How many seats were under contract and held from each instant on, knowing the events
-- up to a position.
CREATE FUNCTION seat_count_at(known_position bigint) RETURNS SETOF seat_count
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT step.account_no,
           step.seat_type,
           step.at,
           (sum(step.bought - step.retired) OVER so_far)::integer,
           (sum(step.filled - step.freed) OVER so_far)::integer,
           step.bought,
           step.retired,
           step.filled,
           step.freed
      FROM seat_step_at(known_position) AS step
    WINDOW so_far AS (PARTITION BY step.account_no, step.seat_type ORDER BY step.at);
END;
