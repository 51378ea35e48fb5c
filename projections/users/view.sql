-- user_directory --
CREATE OR REPLACE VIEW {schema}.user_directory WITH (security_invoker = true) AS
SELECT person.user_id, account.account_key AS account,
       coalesce(renamed.user_key, person.user_key) AS user_key,
       coalesce(renamed.email, person.email) AS email,
       coalesce(renamed.name, person.name) AS name, person.user_no AS added
  FROM user_directory AS person
  JOIN account ON account.account_no = person.account_no
  LEFT JOIN LATERAL (
       SELECT (array_agg(named.user_key ORDER BY entry.effective_at DESC, entry.position DESC)
                   FILTER (WHERE named.user_key IS NOT NULL))[1] AS user_key,
              (array_agg(named.email ORDER BY entry.effective_at DESC, entry.position DESC)
                   FILTER (WHERE named.email IS NOT NULL))[1] AS email,
              (array_agg(named.name ORDER BY entry.effective_at DESC, entry.position DESC)
                   FILTER (WHERE named.name IS NOT NULL))[1] AS name
         FROM user_directory AS named
         JOIN journal AS entry ON entry.position = named.position
        WHERE named.user_no = person.user_no
          AND named.position <> named.user_no
          AND coalesce(
                  (SELECT reversal.holds
                     FROM journal AS reversal
                    WHERE reversal.topic = 'EntryReversed'
                      AND reversal.root = entry.position
                    ORDER BY reversal.position DESC
                    LIMIT 1), true)
       ) AS renamed ON true
 WHERE person.position = person.user_no;
COMMENT ON VIEW {schema}.user_directory IS
    'One row is one user ever added: key, e-mail and name as they are now. Personal data.';
COMMENT ON COLUMN {schema}.user_directory.user_id IS
    'The random id that everything else names a user by.';
COMMENT ON COLUMN {schema}.user_directory.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.user_directory.user_key IS
    'The key that people call the user by; personal data.';
COMMENT ON COLUMN {schema}.user_directory.email IS 'Personal data.';
COMMENT ON COLUMN {schema}.user_directory.name IS 'Personal data.';
COMMENT ON COLUMN {schema}.user_directory.added IS 'The position of the adding.';
