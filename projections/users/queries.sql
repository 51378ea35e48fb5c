-- called --
-- Every user that ever had a key or an e-mail, compared as folded; or has an id.
SELECT user_no, user_id, user_key, folded_key, folded_email
  FROM user_directory
 WHERE account_no = %(account_no)s::bigint
   AND (folded_key = (SELECT ledger.unwrapped(%(folded)s::bytea))
        OR folded_email = (SELECT ledger.unwrapped(%(folded)s::bytea))
        OR user_id = %(id)s::uuid)
 ORDER BY position;

-- called_each --
-- The same of many keys, e-mails and ids.
SELECT named.user_no, named.user_id, named.user_key, named.folded_key,
       named.folded_email
  FROM user_directory AS named
 WHERE named.account_no = %(account_no)s::bigint
   AND (named.folded_key = ANY (ARRAY (
           SELECT jsonb_array_elements_text(
               ledger.unwrapped(%(folded)s::bytea)::jsonb)))
        OR named.folded_email = ANY (ARRAY (
           SELECT jsonb_array_elements_text(
               ledger.unwrapped(%(folded)s::bytea)::jsonb)))
        OR named.user_id = ANY (%(ids)s::uuid[]))
 ORDER BY named.position;

-- ids --
-- The ids of some users.
SELECT user_no, user_id
  FROM person
 WHERE user_no = ANY (%(user_nos)s::bigint[]);

-- people --
-- Key, e-mail, name and kind of some users, as they were added.
SELECT named.user_no, named.user_key, named.email, named.name, person.kind
  FROM user_directory AS named
  JOIN person ON person.user_no = named.position
 WHERE named.position = ANY (%(user_nos)s::bigint[]);

-- renamings --
-- What some users were called besides, from when on, in the order of application (R70).
SELECT named.user_no, entry.effective_at, named.position, named.user_key, named.email,
       named.name
  FROM (
       SELECT user_no, position, user_key, email, name
         FROM user_directory
        WHERE user_no = ANY (%(user_nos)s::bigint[])
          AND position <> user_no
       OFFSET 0) AS named
 CROSS JOIN LATERAL (
       SELECT holding.effective_at
         FROM entry_at(%(known_position)s::bigint) AS holding
        WHERE holding.position = named.position
       OFFSET 0) AS entry
 ORDER BY named.user_no, entry.effective_at, named.position;

-- namings --
-- What users were called from some entries on.
SELECT position, user_key AS "user", email, name
  FROM user_directory
 WHERE position = ANY (%(positions)s::bigint[]);

-- actors --
-- The numbers of some users by their ids.
SELECT user_id, user_no
  FROM person
 WHERE user_id = ANY (%(user_ids)s::uuid[]);

-- memberships --
-- From when to when some users were of the account.
SELECT user_no, added_at, removed_at, added, removed
  FROM membership_at(%(known_position)s::bigint)
 WHERE user_no = ANY (%(user_nos)s::bigint[])
 ORDER BY added_at, removed_at, added;

-- members --
-- Every user that an account ever had.
SELECT user_no, added_at, removed_at, added, removed
  FROM membership_at(%(known_position)s::bigint)
 WHERE account_no = %(account_no)s::bigint
 ORDER BY added_at, added;

-- joined --
-- Who was added to an account by a moment, in order, after the adding of one; a page.
-- The order is that of an index, in which users stand together without a seat type.
SELECT entry.user_no, entry.effective_at
  FROM entry_at(%(known_position)s::bigint) AS entry
 WHERE entry.account_no = %(account_no)s::bigint
   AND entry.seat_type IS NULL
   AND entry.number IS NULL
   AND entry.topic = 'UserAdded'
   AND entry.effective_at <= %(as_of)s::timestamptz
   AND entry.effective_at >= coalesce(
           (SELECT effective_at
              FROM journal
             WHERE position = %(after)s::bigint
               AND account_no = %(account_no)s::bigint),
           '-infinity')
   AND (entry.effective_at, entry.position) > (coalesce(
           (SELECT effective_at
              FROM journal
             WHERE position = %(after)s::bigint
               AND account_no = %(account_no)s::bigint),
           '-infinity'), %(after)s::bigint)
 ORDER BY entry.seat_type, entry.effective_at, entry.position
 LIMIT %(limit)s::bigint;

-- access --
-- Some users' access to hubs.
SELECT user_no, hub, granted_at, revoked_at, granted, revoked
  FROM hub_access_at(%(known_position)s::bigint)
 WHERE user_no = ANY (%(user_nos)s::bigint[])
 ORDER BY hub COLLATE "C", granted_at, granted;

-- permissions --
-- What was said of some users' permissions, in the order of application (R70).
SELECT user_no, effective_at, position, super_admin, account_access
  FROM entry_at(%(known_position)s::bigint)
 WHERE user_no = ANY (%(user_nos)s::bigint[])
   AND number IS NULL
   AND topic IN ('UserAdded', 'PermissionsChanged')
 ORDER BY effective_at, position;

-- account_of --
-- Of which accounts some users are.
SELECT user_no, account_no
  FROM person
 WHERE user_no = ANY (%(user_nos)s::bigint[]);

-- beginning --
-- Users of all accounts, or of some, whose key or e-mail begins so; by two indexes.
(SELECT account_no, user_no, user_key, email, name
   FROM user_directory
  WHERE folded_key >= (SELECT ledger.unwrapped(%(folded)s::bytea))
    AND folded_key < (SELECT ledger.unwrapped(%(folded_beyond)s::bytea))
    AND (%(account_nos)s::bigint[] IS NULL
         OR account_no = ANY (%(account_nos)s::bigint[]))
  ORDER BY folded_key, user_no
  LIMIT %(limit)s::bigint)
UNION
(SELECT account_no, user_no, user_key, email, name
   FROM user_directory
  WHERE folded_email >= (SELECT ledger.unwrapped(%(folded)s::bytea))
    AND folded_email < (SELECT ledger.unwrapped(%(folded_beyond)s::bytea))
    AND (%(account_nos)s::bigint[] IS NULL
         OR account_no = ANY (%(account_nos)s::bigint[]))
  ORDER BY folded_email, user_no
  LIMIT %(limit)s::bigint);

-- containing --
-- Users of all accounts, or of some, by a part of key, e-mail or name; a page.
SELECT account_no, user_no, user_key, email, name
  FROM user_directory
 WHERE (strpos(folded_key, (SELECT ledger.unwrapped(%(folded)s::bytea))) > 0
        OR strpos(folded_email, (SELECT ledger.unwrapped(%(folded)s::bytea))) > 0
        OR strpos(folded_name, (SELECT ledger.unwrapped(%(folded)s::bytea))) > 0)
   AND (%(account_nos)s::bigint[] IS NULL
        OR account_no = ANY (%(account_nos)s::bigint[]))
   AND user_no > %(after)s::bigint
 ORDER BY user_no
 LIMIT %(limit)s::bigint;

-- around --
-- Users of an account whose key or e-mail stands next to a text in the order of either;
-- nobody who was erased.
SELECT user_no, folded_key, folded_email, folded_name
  FROM (
       (SELECT *
          FROM user_directory
         WHERE account_no = %(account_no)s::bigint
           AND folded_key >= (SELECT ledger.unwrapped(%(folded)s::bytea))
         ORDER BY folded_key
         LIMIT %(limit)s::bigint)
       UNION ALL
       (SELECT *
          FROM user_directory
         WHERE account_no = %(account_no)s::bigint
           AND folded_key < (SELECT ledger.unwrapped(%(folded)s::bytea))
         ORDER BY folded_key DESC
         LIMIT %(limit)s::bigint)
       UNION ALL
       (SELECT *
          FROM user_directory
         WHERE account_no = %(account_no)s::bigint
           AND folded_email >= (SELECT ledger.unwrapped(%(folded)s::bytea))
         ORDER BY folded_email
         LIMIT %(limit)s::bigint)
       UNION ALL
       (SELECT *
          FROM user_directory
         WHERE account_no = %(account_no)s::bigint
           AND folded_email < (SELECT ledger.unwrapped(%(folded)s::bytea))
         ORDER BY folded_email DESC
         LIMIT %(limit)s::bigint)
       ) AS named
 WHERE position <= %(known_position)s::bigint
   AND (starts_with(folded_key, 'erased-') AND folded_key = folded_email) IS NOT TRUE;
