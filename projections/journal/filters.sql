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
