-- table --
-- One row is one user ever added; the number is the position of the adding. It is of
-- the kind person or service (R99).
CREATE TABLE person (
    user_no bigint NOT NULL,
    user_id uuid NOT NULL,
    account_no bigint NOT NULL,
    kind text COLLATE "C" NOT NULL
);
-- One row is one user ever added, with what tells who it is; `erased-…` stands there
-- for a person whose key was destroyed. The only table with personal data. What is
-- compared was folded by the program, in its one way (R35).
CREATE TABLE user_directory (
    user_no bigint NOT NULL,
    user_id uuid NOT NULL,
    account_no bigint NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    email text NOT NULL,
    folded_key text COLLATE "C" NOT NULL,
    folded_email text COLLATE "C" NOT NULL,
    folded_name text COLLATE "C" NOT NULL,
    name text NOT NULL
);

-- indexes of person --
CREATE UNIQUE INDEX person_by_number ON person (user_no);
-- The decoder, and actors, find a user's number.
CREATE UNIQUE INDEX person_by_id ON person (user_id);

-- indexes of user_directory --
CREATE UNIQUE INDEX user_directory_by_number ON user_directory (user_no);
-- Actors are shown by key; an erasure finds its row.
CREATE UNIQUE INDEX user_directory_by_id ON user_directory (user_id);
-- A question names a user by key, or by e-mail without case (R35).
CREATE INDEX user_directory_by_key ON user_directory (account_no, folded_key);
CREATE INDEX user_directory_by_email ON user_directory (account_no, folded_email);
-- A search names a user by the beginning of a key or an e-mail, of any account.
CREATE INDEX user_directory_by_any_key ON user_directory (folded_key, user_no);
CREATE INDEX user_directory_by_any_email ON user_directory (folded_email, user_no);
