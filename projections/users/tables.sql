-- One row is one user ever added. The only table with personal data.
CREATE TABLE projection.user_directory (
    user_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    added bigint NOT NULL
);
COMMENT ON TABLE projection.user_directory IS
    'One row is one user ever added: key, e-mail and name. Personal data.';
-- A question names a user by key, or by e-mail without case (R35).
CREATE INDEX user_directory_by_key ON projection.user_directory (account_id, user_key);
CREATE INDEX user_directory_by_email
    ON projection.user_directory (account_id, lower(email));
