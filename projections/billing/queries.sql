-- stored --
-- The kept figures of some accounts' periods that begin in a span of time.
SELECT account.account_key, period.period_no, period.label, period.starts, period.ends,
       period.days, period.mode, period.granularity, counted.*
  FROM billing_period AS period
  JOIN billable_seats AS counted
    ON counted.account_no = period.account_no
   AND counted.period_no = period.period_no
  JOIN account ON account.account_no = period.account_no
  JOIN seat_type AS kind ON kind.type_no = counted.seat_type
 WHERE (%(account_nos)s::bigint[] IS NULL
        OR period.account_no = ANY (%(account_nos)s::bigint[]))
   AND period.label >= %(from_label)s::date
   AND period.label < %(until_label)s::date
   AND period.starts <= %(moment)s::timestamptz
 ORDER BY account.account_key, period.period_no, kind.name COLLATE "C";

-- reversals_between --
-- An account's reversals that were recorded after one position, up to another.
SELECT position, root
  FROM ({entries_between}) AS entry
 WHERE topic = 'EntryReversed'
 ORDER BY position;

-- issued --
-- The invoices of an account, in the order of recording.
{invoices}
   AND entry.account_no = %(account_no)s::bigint
 ORDER BY entry.position;

-- issued_everywhere --
-- The invoices of every account.
{invoices}
 ORDER BY entry.position;

-- issued_as --
-- The invoice of a number.
{invoices}
   AND entry.details ->> 'invoice' = (SELECT ledger.unwrapped(%(invoice)s::bytea))
   AND (%(account_nos)s::bigint[] IS NULL
        OR entry.account_no = ANY (%(account_nos)s::bigint[]));

-- earliest_change --
-- The earliest instant that was said something of, of some accounts' seats, between two
-- states of knowledge.
SELECT account_no, min(effective_at) AS since
  FROM ({entries_between}) AS entry
 WHERE number IS NOT NULL OR topic = 'EntryReversed'
 GROUP BY account_no;

-- earliest_change_of_each --
-- The same of every account: the journal is read as it lies.
SELECT account_no, min(effective_at) AS since
  FROM journal
 WHERE position > %(since)s::bigint
   AND position <= %(until_position)s::bigint
   AND (number IS NOT NULL OR topic = 'EntryReversed')
 GROUP BY account_no;

-- contract_between --
-- What was said of an account's contract after one position, up to another, with the
-- reversals of it; `topic` is that of what is reversed.
SELECT entry.position, coalesce(root.topic, entry.topic)::text AS topic
  FROM ({entries_between}) AS entry
  LEFT JOIN journal AS root
    ON entry.topic = 'EntryReversed'
   AND root.position = entry.root
 WHERE coalesce(root.topic, entry.topic) = ANY (%(topics)s::topic_name[])
 ORDER BY entry.position;

-- with_windows --
-- Accounts in which anything was derived from dated lists (R85).
SELECT DISTINCT account_no
  FROM journal
 WHERE account_no = ANY (%(account_nos)s::bigint[])
   AND effective_after IS NOT NULL
   AND position <= %(known_position)s::bigint;

-- windows_across --
-- What was derived from dated lists of seats of some types, and is dated at an instant or
-- after it, but may have happened before.
SELECT entry.position, entry.seat_type, entry.number, entry.user_no, entry.topic::text,
       entry.effective_after, entry.effective_at
  FROM entry_at(%(known_position)s::bigint) AS entry
 WHERE entry.account_no = %(account_no)s::bigint
   AND entry.topic = ANY (%(topics)s::topic_name[])
   AND entry.seat_type = ANY (%(type_nos)s::integer[])
   AND entry.effective_after < %(ends)s::timestamptz
   AND entry.effective_at >= %(ends)s::timestamptz
 ORDER BY entry.effective_at, entry.position;

-- prices --
-- The price book as known: of some accounts, or of every one; account 0 is all (R90).
SELECT entry.account_no, account.account_key, entry.position, entry.recorded_at,
       entry.effective_at, entry.actor, entry.reason,
       entry.seat_type, entry.details ->> 'unit_price' AS unit_price,
       entry.details ->> 'currency' AS currency,
       (entry.details ->> 'first_date')::date AS first_date
  FROM entry_at(%(known_position)s::bigint) AS entry
  LEFT JOIN account ON account.account_no = entry.account_no
 WHERE entry.topic = 'PriceSet'
   AND (%(account_nos)s::bigint[] IS NULL
        OR entry.account_no = ANY (%(account_nos)s::bigint[]))
 ORDER BY entry.account_no, entry.effective_at, entry.position;

-- findings --
-- What is recorded of the findings of audits, of some accounts or of every one (R93).
SELECT entry.account_no, account.account_key, entry.position, entry.recorded_at,
       entry.topic::text AS topic, entry.actor, entry.reason, entry.details
  FROM journal AS entry
  JOIN account ON account.account_no = entry.account_no
 WHERE entry.topic IN ('FindingOpened', 'FindingNoted', 'FindingSettled')
   AND entry.position <= %(known_position)s::bigint
   AND (%(account_nos)s::bigint[] IS NULL
        OR entry.account_no = ANY (%(account_nos)s::bigint[]))
 ORDER BY account.account_key, entry.position;
