-- stored_columns --
-- What is stored of a figure, with its period.
SELECT account.account_key, period.period_no, period.label, period.starts, period.ends,
       period.days, period.mode, period.granularity, counted.*;

-- stored_in_span --
-- The figures of periods that begin in a span of time, in order.
  JOIN account ON account.account_no = period.account_no
  JOIN seat_type AS kind ON kind.type_no = counted.seat_type
 WHERE period.label >= %(from_label)s::date
   AND period.label < %(until_label)s::date
   AND period.starts <= %(moment)s::timestamptz
 ORDER BY account.account_key, period.period_no, kind.name COLLATE "C";

-- invoices --
-- The invoices as known at a position, and what voided each.
SELECT account.account_key, entry.account_no, entry.position, entry.recorded_at,
       entry.effective_at, entry.actor, entry.reason, entry.details,
       void.position AS voided, void.effective_at AS voided_at,
       void.recorded_at AS void_recorded_at, void.actor AS voided_by,
       void.reason AS void_reason
  FROM journal AS entry
  JOIN account ON account.account_no = entry.account_no
  LEFT JOIN journal AS void
    ON void.topic = 'InvoiceVoided'
   AND void.account_no = entry.account_no
   AND void.details ->> 'invoice' = entry.details ->> 'invoice'
   AND void.position <= %(until_position)s::bigint
 WHERE entry.topic = 'InvoiceIssued'
   AND entry.position <= %(until_position)s::bigint;

-- entries_between --
-- What was recorded of some accounts after one position, up to another: where that is a
-- short way it is read by position, else by account. How long it is, a plan that is made
-- for every way does not know, and it would read both indexes.
SELECT account_no, position, topic, effective_at, number, root
  FROM (SELECT account_no, position, topic, effective_at, number, root
          FROM journal
         WHERE position > %(since)s::bigint
           AND position <= %(until_position)s::bigint
           AND %(until_position)s::bigint - %(since)s::bigint <= 10000
        OFFSET 0) AS late
 WHERE account_no = ANY (%(account_nos)s::bigint[])
 UNION ALL
SELECT account_no, position, topic, effective_at, number, root
  FROM (SELECT account_no, position, topic, effective_at, number, root
          FROM journal
         WHERE account_no = ANY (%(account_nos)s::bigint[])
           AND %(until_position)s::bigint - %(since)s::bigint > 10000
        OFFSET 0) AS every
 WHERE position > %(since)s::bigint
   AND position <= %(until_position)s::bigint;

-- prices_known --
-- The prices that were set, as known at a position (R90).
SELECT entry.account_no, account.account_key, entry.position, entry.recorded_at,
       entry.effective_at, entry.actor, entry.reason,
       entry.seat_type, entry.details ->> 'unit_price' AS unit_price,
       entry.details ->> 'currency' AS currency,
       (entry.details ->> 'first_date')::date AS first_date
  FROM entry_at(%(known_position)s::bigint) AS entry
  LEFT JOIN account ON account.account_no = entry.account_no
 WHERE entry.topic = 'PriceSet';
