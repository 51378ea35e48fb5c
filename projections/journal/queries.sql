-- events --
-- The journal in the order of recording.
SELECT said.*
  FROM journal AS said
 WHERE said.position <= %(known)s::bigint
   AND said.position >= %(first)s::bigint
   AND said.position <= %(last)s::bigint
 ORDER BY said.position
 LIMIT %(limit)s::bigint;

-- events_of_account --
-- The same, of one account.
SELECT said.*
  FROM journal AS said
 WHERE said.position <= %(known)s::bigint
   AND said.account_no = %(account_no)s::bigint
   AND said.position >= %(first)s::bigint
   AND said.position <= %(last)s::bigint
 ORDER BY said.position
 LIMIT %(limit)s::bigint;

-- late --
-- What became effective before something that its account had recorded already.
SELECT said.*
  FROM (
       SELECT entry.*,
              max(entry.effective_at) OVER (
                  PARTITION BY entry.account_no
                  ORDER BY entry.position
                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
              ) AS latest
         FROM journal AS entry
        WHERE entry.position <= %(known)s::bigint
          AND entry.position <= %(last)s::bigint
          AND (%(account_no)s::bigint IS NULL
               OR entry.account_no = %(account_no)s::bigint)
       ) AS said
 WHERE said.effective_at < said.latest
   AND said.position >= %(first)s::bigint
 ORDER BY said.position
 LIMIT %(limit)s::bigint;

-- by_effect --
-- An account's events in the order of application (R70).
SELECT said.*
  FROM journal AS said
 WHERE said.position <= %(known)s::bigint
   AND said.account_no = %(account_no)s::bigint
 ORDER BY said.effective_at, said.position;

-- entries --
-- Some entries, of some accounts or of all.
SELECT said.*
  FROM journal AS said
 WHERE said.position = ANY (%(positions)s::bigint[])
   AND (%(account_nos)s::bigint[] IS NULL
        OR said.account_no = ANY (%(account_nos)s::bigint[]))
   AND said.position <= %(known)s::bigint;

-- reversals --
-- What reversed some entries, by position.
SELECT reversal.entry, reversal.position
  FROM journal AS reversal
 WHERE reversal.topic = 'EntryReversed'
   AND reversal.entry = ANY (%(entries)s::bigint[])
   AND reversal.position <= %(known)s::bigint;

-- requests --
-- The positions of reductions that cancellations name by their version.
SELECT asked.account_no, asked.version, asked.position
  FROM journal AS asked
 WHERE asked.topic = 'SeatReductionRequested'
   AND asked.account_no = ANY (%(accounts)s::bigint[])
   AND asked.version = ANY (%(versions)s::bigint[]);

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
SELECT found.position,
       coalesce((SELECT max(position) FROM journal) > found.position, false) AS passed
  FROM (SELECT position_at(%(instant)s::timestamptz) AS position OFFSET 0) AS found;
