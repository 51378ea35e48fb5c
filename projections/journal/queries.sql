-- events --
-- The journal in the order of recording.
SELECT entry.*
  FROM journal AS entry
 WHERE entry.position <= %(known_position)s::bigint
{page};

-- events_of_account --
-- The same, of one account: a short way is read by position, else the account is read.
-- A plan for every way takes any for short, and would read the whole journal.
SELECT entry.*
  FROM (SELECT near.*
          FROM (SELECT *
                  FROM journal
                 WHERE position >= %(first)s::bigint
                   AND position <= %(last)s::bigint
                   AND %(last)s::bigint - %(first)s::bigint <= 10000
                OFFSET 0) AS near
         WHERE near.account_no = %(account_no)s::bigint
         UNION ALL
        SELECT every.*
          FROM (SELECT *
                  FROM journal
                 WHERE account_no = %(account_no)s::bigint
                   AND %(last)s::bigint - %(first)s::bigint > 10000
                OFFSET 0) AS every) AS entry
 WHERE entry.position <= %(known_position)s::bigint
{page};

-- events_named --
-- The same, of some entries.
SELECT entry.*
  FROM unnest(%(positions)s::bigint[]) AS selected(position)
 CROSS JOIN LATERAL (
       SELECT journal.*
         FROM journal
        WHERE journal.position = selected.position
       OFFSET 0) AS entry
 WHERE entry.position <= %(known_position)s::bigint
{page};

-- of_users --
-- The entries that name some users, and what reversed those.
WITH named AS MATERIALIZED (
    SELECT held.position
      FROM seat_holding
     CROSS JOIN LATERAL unnest(ARRAY[assigned_position, unassigned_position])
           AS held(position)
     WHERE user_no = ANY (%(user_nos)s::bigint[])
       AND held.position IS NOT NULL
     UNION
    SELECT entry.position
      FROM journal AS entry
     WHERE entry.user_no = ANY (%(user_nos)s::bigint[])
       AND entry.number IS NULL
     UNION
    SELECT planned.position
      FROM person
     CROSS JOIN LATERAL (
           SELECT request.position
             FROM journal AS request
            WHERE request.account_no = person.account_no
              AND request.user_no = person.user_no
              AND request.topic IN ('UnassignmentRequested', 'UnassignmentCancelled')
           OFFSET 0) AS planned
     WHERE person.user_no = ANY (%(user_nos)s::bigint[])
)
{named_and_reversals};

-- of_seat --
-- The entries that name a seat, and what reversed those.
WITH named AS MATERIALIZED (
    SELECT entry.position
      FROM journal AS entry
     WHERE entry.account_no = %(account_no)s::bigint
       AND entry.seat_type = %(type_no)s::integer
       AND entry.number = %(number)s::integer
)
{named_and_reversals};

-- late --
-- What became effective before something that its account had recorded already.
SELECT entry.*
  FROM (
       SELECT entry.*,
              max(entry.effective_at) OVER (
                  PARTITION BY entry.account_no
                  ORDER BY entry.position
                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
              ) AS latest
         FROM journal AS entry
        WHERE entry.position <= %(known_position)s::bigint
          AND entry.position <= %(last)s::bigint
          AND (%(account_no)s::bigint IS NULL
               OR entry.account_no = %(account_no)s::bigint)
       ) AS entry
 WHERE entry.effective_at < entry.latest
   AND (%(positions)s::bigint[] IS NULL
        OR entry.position = ANY (%(positions)s::bigint[]))
{page};

-- by_effect --
-- An account's events in the order of application (R70).
SELECT entry.*
  FROM journal AS entry
 WHERE entry.position <= %(known_position)s::bigint
   AND entry.account_no = %(account_no)s::bigint
 ORDER BY entry.effective_at, entry.position;

-- entries --
-- Some entries, of some accounts or of all.
SELECT entry.*
  FROM journal AS entry
 WHERE entry.position = ANY (%(positions)s::bigint[])
   AND (%(account_nos)s::bigint[] IS NULL
        OR entry.account_no = ANY (%(account_nos)s::bigint[]))
   AND entry.position <= %(known_position)s::bigint;

-- reversals --
-- What reversed some entries, by position.
SELECT reversal.entry, reversal.position
  FROM journal AS reversal
 WHERE reversal.topic = 'EntryReversed'
   AND reversal.entry = ANY (%(entries)s::bigint[])
   AND reversal.position <= %(known_position)s::bigint;

-- requests --
-- The positions of requests that are named by their version: when they are cancelled, or
-- carried out.
SELECT request.account_no, request.version, request.position
  FROM journal AS request
 WHERE request.topic IN ('SeatReductionRequested', 'UnassignmentRequested')
   AND request.account_no = ANY (%(accounts)s::bigint[])
   AND request.version = ANY (%(versions)s::bigint[]);

-- windows --
-- The other ends of the windows in which some entries happened, where they were derived
-- from dated lists (R85).
SELECT derived.position, derived.effective_after
  FROM (
       SELECT position, effective_after
         FROM journal
        WHERE position = ANY (%(positions)s::bigint[])
       OFFSET 0) AS derived
 WHERE derived.effective_after IS NOT NULL;

-- acts --
-- By whom, why and when some entries were recorded.
SELECT position, actor, reason, recorded_at
  FROM journal
 WHERE position = ANY (%(positions)s::bigint[]);

-- knowledge --
-- When the last event up to a position was recorded.
SELECT recorded_at
  FROM journal
 WHERE position <= %(position)s::bigint
 ORDER BY position DESC
 LIMIT 1;

-- last_at --
-- The last position that was recorded at or before an instant, and whether a later
-- one is recorded too.
SELECT last_entry.position,
       coalesce((SELECT max(position) FROM journal) > last_entry.position, false) AS passed
  FROM (SELECT position_at(%(instant)s::timestamptz) AS position OFFSET 0) AS last_entry;
