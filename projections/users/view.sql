CREATE OR REPLACE VIEW projection.user_directory WITH (security_invoker = true) AS
SELECT person.user_id, account.account_key AS account, person.user_key, person.email,
       person.name, person.user_no AS added
  FROM user_directory AS person
  JOIN account ON account.account_no = person.account_no;
COMMENT ON VIEW projection.user_directory IS
    'One row is one user ever added: key, e-mail and name. Personal data.';
COMMENT ON COLUMN projection.user_directory.added IS 'The position of the adding.';
