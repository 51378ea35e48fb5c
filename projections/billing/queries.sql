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
