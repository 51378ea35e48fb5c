-- called --
-- Every user that ever had a key, or an e-mail without case.
SELECT user_id, user_key = %(reference)s::text AS by_key
  FROM projection.user_directory
 WHERE account_id = %(account_id)s::uuid
   AND (user_key = %(reference)s::text OR lower(email) = lower(%(reference)s::text))
 ORDER BY added;

-- people --
-- Key, e-mail and name of some users.
SELECT user_id, user_key, email, name
  FROM projection.user_directory
 WHERE user_id = ANY (%(user_ids)s::uuid[]);

-- memberships --
-- From when to when some users were of the account.
SELECT user_id, added_at, removed_at, added, removed
  FROM projection.membership(%(known)s::bigint)
 WHERE user_id = ANY (%(user_ids)s::uuid[])
 ORDER BY added_at, added;

-- members --
-- Every user that an account ever had.
SELECT user_id, added_at, removed_at, added, removed
  FROM projection.membership(%(known)s::bigint)
 WHERE account_id = %(account_id)s::uuid
 ORDER BY added_at, added;

-- access --
-- Some users' access to hubs.
SELECT user_id, hub, granted_at, revoked_at, granted, revoked
  FROM projection.hub_access(%(known)s::bigint)
 WHERE user_id = ANY (%(user_ids)s::uuid[])
 ORDER BY hub COLLATE "C", granted_at, granted;

-- permissions --
-- What was said of some users' permissions, in the order of application (R70).
SELECT user_id, effective_at, position, super_admin, account_access
  FROM projection.entry(%(known)s::bigint)
 WHERE user_id = ANY (%(user_ids)s::uuid[])
   AND topic IN ('UserAdded', 'PermissionsChanged')
 ORDER BY effective_at, position;

-- find --
-- Users of all accounts by a part of key, e-mail or name.
SELECT person.user_id, person.account_id, person.user_key, person.email, person.name
  FROM projection.user_directory AS person
 WHERE strpos(lower(person.user_key), lower(%(text)s::text)) > 0
    OR strpos(lower(person.email), lower(%(text)s::text)) > 0
    OR strpos(lower(person.name), lower(%(text)s::text)) > 0
 ORDER BY person.account_id, person.user_key;
