-- erases --
-- Whether a range of positions erases anybody.
SELECT EXISTS (
       SELECT
         FROM ledger.stored_events
        WHERE topic = 'UserErased'
          AND notification_id > %(after)s::bigint
          AND notification_id <= %(until_position)s::bigint);

-- forget --
-- Everybody who was ever erased, in the directory of some generation.
UPDATE {} AS person
   SET user_key = erased.label,
       email = erased.label,
       folded_key = erased.label,
       folded_email = erased.label,
       folded_name = erased.label,
       name = erased.label
  FROM (SELECT originator_id AS user_id,
               'erased-' || left(replace(originator_id::text, '-', ''), 12) AS label
          FROM ledger.stored_events
         WHERE topic = 'UserErased'
       ) AS erased
 WHERE person.user_id = erased.user_id
   AND (person.user_key, person.email, person.folded_key, person.folded_email,
        person.folded_name, person.name)
       IS DISTINCT FROM (erased.label, erased.label, erased.label, erased.label,
                         erased.label, erased.label);

-- remaining --
-- How many who were ever erased are still named in the directory of some generation.
SELECT count(*)
  FROM {} AS person
  JOIN (SELECT originator_id AS user_id,
               'erased-' || left(replace(originator_id::text, '-', ''), 12) AS label
          FROM ledger.stored_events
         WHERE topic = 'UserErased'
       ) AS erased USING (user_id)
 WHERE (person.user_key, person.email, person.folded_key, person.folded_email,
        person.folded_name, person.name)
       IS DISTINCT FROM (erased.label, erased.label, erased.label, erased.label,
                         erased.label, erased.label);

-- opened --
-- Persons that were opened in the client, as rows of the directory.
SELECT position, user_no, user_id, account_no, user_key, email, folded_key,
       folded_email, folded_name, name
  FROM json_to_recordset((SELECT ledger.unwrapped(%(persons)s::bytea))::json) AS opened (
       position bigint, user_no bigint, user_id uuid, account_no bigint, user_key text, email text,
       folded_key text, folded_email text, folded_name text, name text);
