-- user_directory --
-- Key, e-mail and name of each user that was added after one position, up to another.
INSERT INTO user_directory
SELECT stored.position,
       stored.stream,
       account.account_no,
       stored.whole ->> 'user_key',
       stored.whole ->> 'email',
       coalesce(known.folded_email, lower(stored.whole ->> 'email')),
       stored.whole ->> 'name'
  FROM (
       SELECT notification_id AS position, originator_id AS stream,
              convert_from(state, 'UTF8')::jsonb AS whole
         FROM ledger.stored_events
        WHERE notification_id > %(after)s::bigint
          AND notification_id <= %(upto)s::bigint
          AND topic = 'UserAdded'
       OFFSET 0
       ) AS stored
  LEFT JOIN account ON account.account_id = (stored.whole ->> 'account')::uuid
  LEFT JOIN ledger.user_name AS known ON known.user_id = stored.stream;
