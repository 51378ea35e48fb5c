-- page --
-- The first of the entries of a span that a selection leaves.
   AND entry.position >= %(first)s::bigint
   AND entry.position <= %(last)s::bigint
   AND (%(topics)s::text[] IS NULL OR entry.topic::text = ANY (%(topics)s::text[]))
   AND (%(actors)s::text[] IS NULL OR entry.actor = ANY (%(actors)s::text[]))
   AND (%(since)s::timestamptz IS NULL
        OR entry.effective_at >= %(since)s::timestamptz)
   AND (%(before)s::timestamptz IS NULL
        OR entry.effective_at < %(before)s::timestamptz)
   AND (%(type_nos)s::integer[] IS NULL
        OR entry.seat_type = ANY (%(type_nos)s::integer[])
        OR (entry.topic = 'EntryReversed'
            AND EXISTS (
                SELECT 1
                  FROM journal AS root
                 WHERE root.position = entry.root
                   AND root.seat_type = ANY (%(type_nos)s::integer[]))))
 ORDER BY entry.position
 LIMIT %(limit)s::bigint;

-- named_and_reversals --
-- The entries of `named`, and what reversed those.
SELECT position
  FROM named
 UNION
SELECT reversal.position
  FROM named
 CROSS JOIN LATERAL (
       SELECT naming.position
         FROM journal AS naming
        WHERE naming.topic = 'EntryReversed'
          AND naming.root = named.position
       OFFSET 0) AS reversal;
