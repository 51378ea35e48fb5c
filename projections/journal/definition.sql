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
