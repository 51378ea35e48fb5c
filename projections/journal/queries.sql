-- events --
-- The journal in the order of recording.
SELECT entry.*
  FROM journal AS entry
 WHERE entry.position <= %(known_position)s::bigint
   AND entry.position >= %(first)s::bigint
   AND entry.position <= %(last)s::bigint
 ORDER BY entry.position
 LIMIT %(limit)s::bigint;

-- events_of_account --
-- The same, of one account.
SELECT entry.*
  FROM journal AS entry
 WHERE entry.position <= %(known_position)s::bigint
   AND entry.account_no = %(account_no)s::bigint
   AND entry.position >= %(first)s::bigint
   AND entry.position <= %(last)s::bigint
 ORDER BY entry.position
 LIMIT %(limit)s::bigint;

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
   AND entry.position >= %(first)s::bigint
 ORDER BY entry.position
 LIMIT %(limit)s::bigint;

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
-- The positions of reductions that cancellations name by their version.
SELECT reduction.account_no, reduction.version, reduction.position
  FROM journal AS reduction
 WHERE reduction.topic = 'SeatReductionRequested'
   AND reduction.account_no = ANY (%(accounts)s::bigint[])
   AND reduction.version = ANY (%(versions)s::bigint[]);

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
