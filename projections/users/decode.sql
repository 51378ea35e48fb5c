-- person --
-- Each user that was added after one position, up to another.
SELECT stored.position,
       stored.stream,
       account.account_no,
       coalesce(stored.whole ->> 'kind', 'person')
  FROM (
       SELECT notification_id AS position, originator_id AS stream,
              convert_from(state, 'UTF8')::jsonb AS whole
         FROM ledger.stored_events
        WHERE notification_id > %(after)s::bigint
          AND notification_id <= %(until_position)s::bigint
          AND topic = 'UserAdded'
          AND is_read(originator_id, notification_id,
                      %(aside)s::uuid[], %(aside_from)s::bigint[])
          AND (%(only)s::uuid[] IS NULL OR originator_id = ANY (%(only)s::uuid[]))
       OFFSET 0
       ) AS stored
  LEFT JOIN account
    ON account.account_id = (stored.whole ->> 'account')::uuid
   AND is_read(account.account_id, stored.position,
               %(aside)s::uuid[], %(aside_from)s::bigint[]);

-- sealed --
-- The next namings of a range: of persons who were added, and who were renamed (R95);
-- each with the event that says who it is, with the key that opens it, and whether it is
-- erased. Of one account, where it is named.
SELECT stored.notification_id, person.user_no, person.user_id, person.account_no,
       stored.originator_version, stored.state, held.key,
       person.user_id IN (
           SELECT originator_id
             FROM ledger.stored_events
            WHERE topic = 'UserErased') AS erased
  FROM (
       (SELECT user_no AS position, user_no, user_id, account_no
          FROM person
         WHERE user_no > %(after)s::bigint
           AND user_no <= %(until_position)s::bigint
           AND (%(account_no)s::bigint IS NULL
                OR account_no = %(account_no)s::bigint)
         ORDER BY user_no
         LIMIT %(many)s::integer)
       UNION ALL
       (SELECT renamed.notification_id, person.user_no, person.user_id, person.account_no
          FROM ledger.stored_events AS renamed
          JOIN person ON person.user_id = renamed.originator_id
         WHERE renamed.topic = 'UserRenamed'
           AND renamed.notification_id > %(after)s::bigint
           AND renamed.notification_id <= %(until_position)s::bigint
           AND is_read(renamed.originator_id, renamed.notification_id,
                       %(aside)s::uuid[], %(aside_from)s::bigint[])
           AND (%(account_no)s::bigint IS NULL
                OR person.account_no = %(account_no)s::bigint)
         ORDER BY renamed.notification_id
         LIMIT %(many)s::integer)
        ORDER BY position
        LIMIT %(many)s::integer
       ) AS person
 CROSS JOIN LATERAL (
       SELECT event.notification_id, event.originator_version, event.state
         FROM ledger.stored_events AS event
        WHERE event.notification_id = person.position
       OFFSET 0) AS stored
  LEFT JOIN LATERAL (
       SELECT of_person.key
         FROM ledger.person_key AS of_person
        WHERE of_person.user_id = person.user_id
       OFFSET 0) AS held ON true
 ORDER BY person.position;

-- not_erased_later --
-- A condition: the person's erasure is not beyond what is known.
user_id NOT IN (
    SELECT originator_id
      FROM ledger.stored_events
     WHERE topic = 'UserErased'
       AND notification_id > %(known_position)s::bigint);

-- keys --
-- How many users there are, and of how many the key is where it should not be, or is
-- not where it should; of those with a key too many the first three by name.
SELECT count(*) AS users,
       count(*) FILTER (WHERE erased) AS erased,
       count(*) FILTER (WHERE NOT named) AS unnamed,
       count(*) FILTER (WHERE erased AND opens) AS opened,
       (array_agg('erased-' || left(replace(user_id::text, '-', ''), 12) || ' of '
                  || account_key) FILTER (WHERE erased AND opens))[1:3] AS again,
       count(*) FILTER (
           WHERE NOT erased
             AND NOT opens
             AND EXISTS (
                 SELECT 1
                   FROM ledger.stored_events AS added
                  WHERE added.notification_id = user_no
                    AND form_of(added.topic, added.state)
                        IS DISTINCT FROM 1)) AS locked
  FROM (
       SELECT person.user_no, person.user_id, account.account_key,
              erasure.user_id IS NOT NULL AS erased,
              held.user_id IS NOT NULL AS opens,
              called.user_id IS NOT NULL AS named
         FROM person
         JOIN account ON account.account_no = person.account_no
         LEFT JOIN ledger.person_key AS held ON held.user_id = person.user_id
         LEFT JOIN ledger.user_name AS called ON called.user_id = person.user_id
         LEFT JOIN (
              SELECT DISTINCT originator_id AS user_id
                FROM ledger.stored_events
               WHERE topic = 'UserErased'
              ) AS erasure ON erasure.user_id = person.user_id
       ) AS checked;
