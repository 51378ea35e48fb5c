-- rows --
-- The accounts that are set aside, by key.
SELECT account_no, account_id, account_key, position, stream, version, topic, reason,
       since, streams
  FROM set_aside
 ORDER BY account_key, account_no;

-- streams --
-- The streams of the accounts that are set aside, and from where on none is read: that
-- of the account, and those of its users, whoever knows of them.
SELECT aside.account_id AS stream, aside.position, aside.account_no
  FROM set_aside AS aside
 UNION
SELECT unnest(aside.streams), aside.position, aside.account_no
  FROM set_aside AS aside
 UNION
SELECT called.user_id, aside.position, aside.account_no
  FROM set_aside AS aside
  JOIN ledger.user_name AS called ON called.account_id = aside.account_id
 UNION
SELECT person.user_id, aside.position, aside.account_no
  FROM set_aside AS aside
  JOIN person ON person.account_no = aside.account_no;

-- note --
-- Set an account aside at a position. Of one that is set aside already the earlier
-- position stays, and the streams are added up.
INSERT INTO set_aside AS stored (
       account_no, account_id, account_key, position, stream, streams, version, topic,
       reason)
VALUES (%(account_no)s::bigint, %(account_id)s::uuid, %(account_key)s::text,
        %(position)s::bigint, %(stream)s::uuid, ARRAY[%(stream)s::uuid],
        %(version)s::bigint, %(topic)s::text, %(reason)s::text)
    ON CONFLICT (account_no) DO UPDATE
   SET (position, stream, version, topic, reason) = (
           SELECT candidate.position, candidate.stream, candidate.version,
                  candidate.topic, candidate.reason
             FROM (VALUES (stored.position, stored.stream, stored.version, stored.topic,
                           stored.reason),
                          (excluded.position, excluded.stream, excluded.version,
                           excluded.topic, excluded.reason)
                  ) AS candidate(position, stream, version, topic, reason)
            ORDER BY candidate.position
            LIMIT 1),
       streams = CASE WHEN excluded.stream = ANY (stored.streams) THEN stored.streams
                      ELSE stored.streams || excluded.stream END
 WHERE stored.position > excluded.position
    OR NOT excluded.stream = ANY (stored.streams);

-- resume --
-- Take an account back: what stands from its position on is to be read.
DELETE FROM set_aside
 WHERE account_no = %(account_no)s::bigint;

-- again --
-- An account that was set aside before, in other tables.
INSERT INTO set_aside (
       account_no, account_id, account_key, position, stream, streams, version, topic,
       reason, since)
VALUES (%(account_no)s::bigint, %(account_id)s::uuid, %(account_key)s::text,
        %(position)s::bigint, %(stream)s::uuid, %(streams)s::uuid[],
        %(version)s::bigint, %(topic)s::text, %(reason)s::text,
        %(since)s::timestamptz);
