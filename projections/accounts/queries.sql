-- contract --
-- An account's opening, zone changes, policies, renewals and invoices, and when they
-- became known.
SELECT entry.account_no, entry.topic::text AS topic, entry.position, entry.effective_at,
       entry.details, entry.renewal
  FROM journal AS entry
  JOIN account ON account.account_no = entry.account_no
 WHERE account.account_id = %(account_id)s::uuid
   AND entry.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
 ORDER BY entry.position;

-- contracts --
-- The same for every account.
SELECT entry.account_no, entry.topic::text AS topic, entry.position, entry.effective_at,
       entry.details, entry.renewal
  FROM journal AS entry
 WHERE entry.topic IN (
           'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
           'ContractRenewed', 'InvoiceIssued'
       )
   AND entry.position <= %(known)s::bigint
 ORDER BY entry.account_no, entry.position;

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

-- containing --
-- Accounts by a part of key or name, by key; a page.
SELECT account_no, account_key, name
  FROM account
 WHERE (strpos(lower(account_key), (SELECT lower(ledger.unwrapped(%(text)s::bytea)))) > 0
        OR (%(by_name)s::boolean
            AND strpos(lower(name), (SELECT lower(ledger.unwrapped(%(text)s::bytea)))) > 0))
   AND (%(account_nos)s::bigint[] IS NULL
        OR account_no = ANY (%(account_nos)s::bigint[]))
   AND account_no <= %(known)s::bigint
   AND account_key > %(after)s::text
 ORDER BY account_key
 LIMIT %(limit)s::bigint;

-- numbers --
-- The numbers and names of some accounts.
SELECT account_no, account_key, name
  FROM account
 WHERE account_id = ANY (
       CAST((SELECT ledger.unwrapped(%(account_ids)s::bytea)) AS uuid[]));

-- with_seat --
-- Accounts that have bought a seat; a page.
SELECT bought.account_no, account.account_key
  FROM seat AS bought
  JOIN account ON account.account_no = bought.account_no
 WHERE bought.seat_type = %(type_no)s::integer
   AND bought.number = %(number)s::integer
   AND (%(account_nos)s::bigint[] IS NULL
        OR bought.account_no = ANY (%(account_nos)s::bigint[]))
   AND account.account_key > %(after)s::text
 ORDER BY account.account_key
 LIMIT %(limit)s::bigint;
