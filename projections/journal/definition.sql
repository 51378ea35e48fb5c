-- Every entry that holds, knowing the events up to a position: the last reversal of
-- its chain up to there decides (DOMAIN 2). Inlined where it is called.
CREATE FUNCTION projection.entry(known bigint) RETURNS SETOF projection.journal
LANGUAGE sql STABLE AS $$
    SELECT said.*
      FROM projection.journal AS said
     WHERE said.position <= known
       AND said.topic <> 'EntryReversed'
       AND coalesce(
           (SELECT reversal.holds
              FROM projection.journal AS reversal
             WHERE reversal.topic = 'EntryReversed'
               AND reversal.root = said.position
               AND reversal.position <= known
             ORDER BY reversal.position DESC
             LIMIT 1),
           true)
$$;
