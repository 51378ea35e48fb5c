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
