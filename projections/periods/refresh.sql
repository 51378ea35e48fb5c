-- billing_period --
-- The periods of the touched accounts, as the calendar has them.
SELECT account_no, period_no, label, starts, ends, until, days, time_zone, mode,
       granularity, day_starts::timestamptz[]
  FROM unnest(
       %(account_no)s::bigint[], %(period_no)s::integer[], %(label)s::date[],
       %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(until)s::date[],
       %(days)s::integer[], %(time_zone)s::text[], %(mode)s::text[],
       %(granularity)s::text[], %(day_starts)s::text[]
       ) AS computed(
       account_no, period_no, label, starts, ends, until, days, time_zone, mode,
       granularity, day_starts)

-- scope of billing_period --
-- The kept periods of the touched accounts.
stored.account_no = ANY (%(account_nos)s::bigint[])
