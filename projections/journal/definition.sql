-- In which version of its form an event is written; null where this program knows no such
-- version of the type (R74). Forms that say the same of seats need nothing more; one that does
-- not is brought to the latest where the journal is decoded.
CREATE FUNCTION form_of(topic text, state bytea) RETURNS integer
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN substr(state, 1, 7) = '{"v":1,'::bytea THEN 1
    WHEN substr(state, 1, 7) = '{"v":2,'::bytea
         AND topic IN ('UserAdded', 'SeatPurchased', 'SeatAssigned', 'SeatUnassigned') THEN 2
END;

-- Whether an event is read: not one of a stream of `aside`, from its place in
-- `aside_from` on (R74).
CREATE FUNCTION is_read(
    stream uuid, "position" bigint, aside uuid[], aside_from bigint[]
) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN stream <> ALL (aside) OR "position" < aside_from[array_position(aside, stream)];

-- Entries that do not hold, knowing the events up to a position: the last reversal of
-- the entry's chain decides (DOMAIN 2).
CREATE FUNCTION reversed_entry_at(known_position bigint) RETURNS SETOF journal
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.*
      FROM journal AS entry
     WHERE entry.position <= known_position
       AND entry.topic <> 'EntryReversed'
       AND EXISTS (
           SELECT 1
             FROM journal AS reversal
            WHERE reversal.topic = 'EntryReversed'
              AND reversal.root = entry.position
              AND reversal.position <= known_position
              AND NOT reversal.holds
              AND NOT EXISTS (
                  SELECT 1
                    FROM journal AS later
                   WHERE later.topic = 'EntryReversed'
                     AND later.root = reversal.root
                     AND later.position > reversal.position
                     AND later.position <= known_position));
END;

-- Entries that hold, knowing the events up to a position.
CREATE FUNCTION entry_at(known_position bigint) RETURNS SETOF journal
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.*
      FROM journal AS entry
     WHERE entry.position <= known_position
       AND entry.topic <> 'EntryReversed'
       AND NOT EXISTS (
           SELECT 1
             FROM journal AS reversal
            WHERE reversal.topic = 'EntryReversed'
              AND reversal.root = entry.position
              AND reversal.position <= known_position
              AND NOT reversal.holds
              AND NOT EXISTS (
                  SELECT 1
                    FROM journal AS later
                   WHERE later.topic = 'EntryReversed'
                     AND later.root = reversal.root
                     AND later.position > reversal.position
                     AND later.position <= known_position));
END;

-- The last position that was recorded at or before an instant (R78): instants never
-- decrease with positions (R01), so halving finds it.
CREATE FUNCTION position_at(instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT
AS $$
DECLARE
    low bigint := 0;
    high bigint := coalesce((SELECT max(position) FROM journal), 0);
    middle bigint;
    candidate record;
BEGIN
    WHILE low < high LOOP
        middle := low + (high - low + 1) / 2;
        SELECT position, recorded_at INTO candidate
          FROM journal
         WHERE position >= middle
         ORDER BY position
         LIMIT 1;
        IF candidate.recorded_at <= instant THEN
            low := candidate.position;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN coalesce(
        (SELECT max(position) FROM journal
          WHERE position <= low AND recorded_at <= instant), 0);
END;
$$;
