-- user_directory --
CREATE OR REPLACE VIEW {schema}.user_directory WITH (security_invoker = true) AS
SELECT person.user_id, account.account_key AS account, person.user_key, person.email,
       person.name, person.user_no AS added
  FROM user_directory AS person
  JOIN account ON account.account_no = person.account_no;
COMMENT ON VIEW {schema}.user_directory IS
    'One row is one user ever added: key, e-mail and name. Personal data.';
COMMENT ON COLUMN {schema}.user_directory.user_id IS
    'The random id that everything else names a user by.';
COMMENT ON COLUMN {schema}.user_directory.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.user_directory.user_key IS
    'The key that people call the user by; personal data.';
COMMENT ON COLUMN {schema}.user_directory.email IS 'Personal data.';
COMMENT ON COLUMN {schema}.user_directory.name IS 'Personal data.';
COMMENT ON COLUMN {schema}.user_directory.added IS 'The position of the adding.';
