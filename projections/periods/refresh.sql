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

-- contracts --
-- What the calendars of some accounts are made of, knowing the events up to a position.
SELECT entry.account_no, entry.topic::text AS topic, entry.position, entry.effective_at,
       entry.details, entry.renewal
  FROM journal AS entry
 WHERE entry.account_no = ANY (%(account_nos)s::bigint[])
   AND entry.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
   AND entry.position <= %(known)s::bigint
 ORDER BY entry.account_no, entry.position

-- policies_reversed --
-- Policies of some accounts that do not hold, knowing the events up to a position.
SELECT position
  FROM reversed_entry_at(%(known)s::bigint)
 WHERE topic = 'BillingPolicyChanged'
   AND account_no = ANY (%(account_nos)s::bigint[])

-- all_contracts --
-- The same for every account.
SELECT entry.account_no, entry.topic::text AS topic, entry.position, entry.effective_at,
       entry.details, entry.renewal
  FROM journal AS entry
 WHERE entry.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
   AND entry.position <= %(known)s::bigint
 ORDER BY entry.account_no, entry.position

-- all_policies_reversed --
-- The same for every account.
SELECT position
  FROM reversed_entry_at(%(known)s::bigint)
 WHERE topic = 'BillingPolicyChanged'
