-- stored --
-- The kept figures of all accounts' periods that begin in a span of time.
{stored_columns}
  FROM billing_period AS period
  JOIN billable_seats AS counted
    ON counted.account_no = period.account_no
   AND counted.period_no = period.period_no
{stored_in_span};

-- stored_of --
-- The same of one account. Both tables are read of it once, and then joined: PostgreSQL
-- would look through all of its figures for each of its periods.
{stored_columns}
  FROM (SELECT *
          FROM billing_period
         WHERE account_no = %(account_no)s::bigint
        OFFSET 0) AS period
  JOIN (SELECT *
          FROM billable_seats
         WHERE account_no = %(account_no)s::bigint
        OFFSET 0) AS counted
    ON counted.period_no = period.period_no
{stored_in_span};

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

-- around --
-- The numbers of invoices that stand next to a text in their order, of some accounts or
-- of all.
SELECT invoice
  FROM (
       (SELECT details ->> 'invoice' AS invoice, account_no, position
          FROM journal
         WHERE topic = 'InvoiceIssued'
           AND details ->> 'invoice' >= (SELECT ledger.unwrapped(%(invoice)s::bytea))
         ORDER BY details ->> 'invoice'
         LIMIT %(limit)s::bigint)
       UNION ALL
       (SELECT details ->> 'invoice' AS invoice, account_no, position
          FROM journal
         WHERE topic = 'InvoiceIssued'
           AND details ->> 'invoice' < (SELECT ledger.unwrapped(%(invoice)s::bytea))
         ORDER BY details ->> 'invoice' DESC
         LIMIT %(limit)s::bigint)
       ) AS named
 WHERE position <= %(until_position)s::bigint
   AND (%(account_nos)s::bigint[] IS NULL
        OR account_no = ANY (%(account_nos)s::bigint[]));

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

-- changes_between --
-- What was reversed in an account after one position, up to another, and what was said of
-- its contract; `topic` is that of what is reversed.
SELECT entry.position, entry.root, coalesce(root.topic, entry.topic)::text AS topic
  FROM ({entries_between}) AS entry
  LEFT JOIN journal AS root
    ON entry.topic = 'EntryReversed'
   AND root.position = entry.root
 WHERE entry.topic = 'EntryReversed'
    OR entry.topic = ANY (%(topics)s::topic_name[])
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
-- The price book as known, of every account; account 0 is all (R90).
{prices_known}
 ORDER BY entry.account_no, entry.effective_at, entry.position;

-- prices_of --
-- The same of some accounts: without a choice in it, PostgreSQL plans it once.
{prices_known}
   AND entry.account_no = ANY (%(account_nos)s::bigint[])
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
