-- contract --
-- An account's contract, and whether an unassignment was ever requested (R98).
SELECT contract.*,
       EXISTS (
           SELECT
             FROM journal AS request
            WHERE request.account_no = contract.account_no
              AND request.topic = 'UnassignmentRequested'
           OFFSET 0) AS has_requests
  FROM contract_at(%(known_position)s::bigint) AS contract
 WHERE account_no = (SELECT account_no
                       FROM account
                      WHERE account_id = %(account_id)s::uuid)
 ORDER BY position;

-- contracts --
-- That of every account that is known.
SELECT *
  FROM contract_at(%(known_position)s::bigint)
 WHERE account_no <= %(known_position)s::bigint
 ORDER BY account_no, position;

-- contracts_of --
-- Those of some accounts that are known.
SELECT *
  FROM contract_at(%(known_position)s::bigint)
 WHERE account_no = ANY (%(account_nos)s::bigint[])
   AND account_no <= %(known_position)s::bigint
 ORDER BY account_no, position;

-- contracts_between --
-- Those of a range of accounts that are known.
SELECT *
  FROM contract_at(%(known_position)s::bigint)
 WHERE account_no >= %(first)s::bigint
   AND account_no <= least(%(last)s::bigint, %(known_position)s::bigint)
 ORDER BY account_no, position;

-- about_as_long --
-- The keys of accounts that may be one but for case or composition.
SELECT account_key
  FROM account
 WHERE length(account_key) BETWEEN %(length)s::integer / 3 AND %(length)s::integer * 3
   AND account_no <= %(known_position)s::bigint
 ORDER BY account_key
 LIMIT 20000;

-- every_key --
-- The keys of all accounts, as far as somebody looks through them.
SELECT account_key
  FROM account
 WHERE account_no <= %(known_position)s::bigint
 ORDER BY account_key
 LIMIT 200000;

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
   AND account_no <= %(known_position)s::bigint
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
