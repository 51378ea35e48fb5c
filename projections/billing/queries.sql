-- kept --
-- The kept figures of some accounts' periods that begin in a span of time.
SELECT account.account_key, period.period_no, period.label, period.starts, period.ends,
       period.days, period.mode, period.granularity, counted.*,
       counted.seat_type::text AS seat_type
  FROM billing_period AS period
  JOIN billable_seats AS counted
    ON counted.account_no = period.account_no
   AND counted.period_no = period.period_no
  JOIN account ON account.account_no = period.account_no
 WHERE (%(account_nos)s::bigint[] IS NULL
        OR period.account_no = ANY (%(account_nos)s::bigint[]))
   AND period.label >= %(from_label)s::date
   AND period.label < %(until_label)s::date
   AND period.starts <= %(upto)s::timestamptz
 ORDER BY account.account_key, period.period_no, counted.seat_type::text COLLATE "C";

-- reversals_between --
-- An account's reversals that were recorded after one position, up to another.
SELECT position, root
  FROM journal
 WHERE account_no = %(account_no)s::bigint
   AND topic = 'EntryReversed'
   AND position > %(since)s::bigint
   AND position <= %(upto)s::bigint
 ORDER BY position;

-- issued --
-- The invoices of an account, in the order of recording.
SELECT account.account_key, said.account_no, said.position, said.recorded_at,
       said.effective_at, said.actor, said.reason, said.details
  FROM journal AS said
  JOIN account ON account.account_no = said.account_no
 WHERE said.account_no = %(account_no)s::bigint
   AND said.topic = 'InvoiceIssued'
   AND said.position <= %(upto)s::bigint
 ORDER BY said.position;

-- issued_everywhere --
-- The invoices of every account.
SELECT account.account_key, said.account_no, said.position, said.recorded_at,
       said.effective_at, said.actor, said.reason, said.details
  FROM journal AS said
  JOIN account ON account.account_no = said.account_no
 WHERE said.topic = 'InvoiceIssued'
   AND said.position <= %(upto)s::bigint
 ORDER BY said.position;

-- issued_as --
-- The invoice of a number.
SELECT account.account_key, said.account_no, said.position, said.recorded_at,
       said.effective_at, said.actor, said.reason, said.details
  FROM journal AS said
  JOIN account ON account.account_no = said.account_no
 WHERE said.topic = 'InvoiceIssued'
   AND said.details ->> 'invoice' = (SELECT ledger.unwrapped(%(invoice)s::bytea))
   AND (%(account_nos)s::bigint[] IS NULL
        OR said.account_no = ANY (%(account_nos)s::bigint[]))
   AND said.position <= %(upto)s::bigint;

-- earliest_change --
-- The earliest instant that was said something of, of some accounts' seats, between two
-- states of knowledge.
SELECT account_no, min(effective_at) AS since
  FROM journal
 WHERE account_no = ANY (%(account_nos)s::bigint[])
   AND position > %(since)s::bigint
   AND position <= %(upto)s::bigint
   AND (number IS NOT NULL OR topic = 'EntryReversed')
 GROUP BY account_no;

-- contract_between --
-- What was said of an account's contract after one position, up to another, with the
-- reversals of it.
SELECT said.position
  FROM journal AS said
 WHERE said.account_no = %(account_no)s::bigint
   AND said.position > %(since)s::bigint
   AND said.position <= %(upto)s::bigint
   AND (said.topic = ANY (%(topics)s::topic_name[])
        OR (said.topic = 'EntryReversed'
            AND EXISTS (
                SELECT 1
                  FROM journal AS root
                 WHERE root.position = said.root
                   AND root.topic = ANY (%(topics)s::topic_name[]))))
 ORDER BY said.position;
