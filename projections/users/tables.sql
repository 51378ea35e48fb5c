-- table --
-- One row is one user ever added; the number is the position of the adding. It is of
-- the kind person or service (R99).
CREATE TABLE person (
    user_no bigint NOT NULL,
    user_id uuid NOT NULL,
    account_no bigint NOT NULL,
    kind text COLLATE "C" NOT NULL
);
-- One row is what one user was called from an entry on: as added, at the position that is
-- the user's number, or as renamed, where what is null stayed as it was (R95). `erased-…`
-- stands there for a person whose key was destroyed. The only table with personal data.
-- What is compared was folded by the program, in its one way (R35).
CREATE TABLE user_directory (
    position bigint NOT NULL,
    user_no bigint NOT NULL,
    user_id uuid NOT NULL,
    account_no bigint NOT NULL,
    user_key text COLLATE "C",
    email text,
    folded_key text COLLATE "C",
    folded_email text COLLATE "C",
    folded_name text COLLATE "C",
    name text,
    CONSTRAINT user_directory_is_whole CHECK (
        position <> user_no
        OR num_nulls(user_key, email, folded_key, folded_email, folded_name, name) = 0)
);

-- indexes of person --
CREATE UNIQUE INDEX person_by_number ON person (user_no);
-- The decoder, and actors, find a user's number.
CREATE UNIQUE INDEX person_by_id ON person (user_id);

-- indexes of user_directory --
CREATE UNIQUE INDEX user_directory_by_position ON user_directory (position);
-- What a user was called besides.
CREATE INDEX user_directory_of_renamed ON user_directory (user_no)
 WHERE position <> user_no;
-- Actors are shown by key; an erasure finds its row.
CREATE INDEX user_directory_by_id ON user_directory (user_id);
-- A question names a user by key, or by e-mail without case (R35).
CREATE INDEX user_directory_by_key ON user_directory (account_no, folded_key);
CREATE INDEX user_directory_by_email ON user_directory (account_no, folded_email);
-- A search names a user by the beginning of a key or an e-mail, of any account.
CREATE INDEX user_directory_by_any_key ON user_directory (folded_key, user_no);
CREATE INDEX user_directory_by_any_email ON user_directory (folded_email, user_no);
