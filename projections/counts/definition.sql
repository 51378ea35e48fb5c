-- What changes in a type's counts at one instant, knowing the events up to a position:
-- straight from the journal, so that holdings can be held against it.
CREATE FUNCTION seat_step_at(known bigint) RETURNS TABLE (
    account_no bigint,
    seat_type seat_type_name,
    at timestamptz,
    bought integer,
    retired integer,
    given integer,
    taken integer
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT said.account_no,
           said.seat_type,
           said.effective_at,
           count(*) FILTER (WHERE said.topic = 'SeatPurchased')::integer,
           count(*) FILTER (WHERE said.topic = 'SeatRetired')::integer,
           count(*) FILTER (WHERE said.topic = 'SeatAssigned')::integer,
           count(*) FILTER (WHERE said.topic = 'SeatUnassigned')::integer
      FROM entry_at(known) AS said
     WHERE said.number IS NOT NULL
       AND (said.topic <> 'SeatRetired'
            OR NOT EXISTS (
               SELECT 1
                 FROM reversed_entry_at(known) AS purchase
                WHERE purchase.topic = 'SeatPurchased'
                  AND purchase.account_no = said.account_no
                  AND purchase.seat_type = said.seat_type
                  AND purchase.number = said.number))
     GROUP BY said.account_no, said.seat_type, said.effective_at;
END;

-- How many seats were under contract and held from each instant on, knowing the events
-- up to a position.
CREATE FUNCTION seat_count_at(known bigint) RETURNS SETOF seat_count
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT step.account_no,
           step.seat_type,
           step.at,
           (sum(step.bought - step.retired) OVER so_far)::integer,
           (sum(step.given - step.taken) OVER so_far)::integer,
           step.bought,
           step.retired,
           step.given,
           step.taken
      FROM seat_step_at(known) AS step
    WINDOW so_far AS (PARTITION BY step.account_no, step.seat_type ORDER BY step.at);
END;
