-- events --
-- The journal in the order of recording, with who is meant and what reversed it.
SELECT said.position, said.recorded_at, said.effective_at, said.topic,
       said.account_id, said.user_id, said.seat_type, said.number, said.actor,
       said.reason, said.data, said.super_admin, said.late,
       (SELECT reversal.position
          FROM projection.journal AS reversal
         WHERE reversal.topic = 'EntryReversed'
           AND reversal.entry = said.position
           AND reversal.position <= %(known)s::bigint
         ORDER BY reversal.position DESC
         LIMIT 1) AS reversed_by
  FROM projection.journal AS said
 WHERE said.position <= %(known)s::bigint
   AND (%(account_id)s::uuid IS NULL OR said.account_id = %(account_id)s::uuid)
   AND said.position >= coalesce(%(first)s::bigint, 0)
   AND (%(last)s::bigint IS NULL OR said.position <= %(last)s::bigint)
   AND (NOT %(late)s::boolean OR said.late)
 ORDER BY said.position
 LIMIT %(limit)s::bigint;

-- by_effect --
-- The same in the order of application (R70).
SELECT said.position, said.recorded_at, said.effective_at, said.topic,
       said.account_id, said.user_id, said.seat_type, said.number, said.actor,
       said.reason, said.data, said.super_admin, said.late,
       (SELECT reversal.position
          FROM projection.journal AS reversal
         WHERE reversal.topic = 'EntryReversed'
           AND reversal.entry = said.position
           AND reversal.position <= %(known)s::bigint
         ORDER BY reversal.position DESC
         LIMIT 1) AS reversed_by
  FROM projection.journal AS said
 WHERE said.position <= %(known)s::bigint
   AND said.account_id = %(account_id)s::uuid
 ORDER BY said.effective_at, said.position;
