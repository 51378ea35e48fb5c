-- contract --
-- An account's opening, zone changes, policies, renewals and invoices, and when they
-- became known.
SELECT said.account_no, said.topic::text AS topic, said.position, said.effective_at,
       said.details, said.renewal
  FROM journal AS said
  JOIN account ON account.account_no = said.account_no
 WHERE account.account_id = %(account_id)s::uuid
   AND said.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
 ORDER BY said.position;

-- contracts --
-- The same for every account.
SELECT said.account_no, said.topic::text AS topic, said.position, said.effective_at,
       said.details, said.renewal
  FROM journal AS said
 WHERE said.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
   AND said.position <= %(known)s::bigint
 ORDER BY said.account_no, said.position;

-- policies_reversed --
-- Policies of some accounts that do not hold, knowing the events up to a position.
SELECT position
  FROM reversed_entry_at(%(known)s::bigint)
 WHERE topic = 'BillingPolicyChanged'
   AND account_no = ANY (%(account_nos)s::bigint[]);

-- keys --
-- The keys of some accounts.
SELECT account_no, account_key
  FROM account
 WHERE account_no = ANY (%(account_nos)s::bigint[]);
