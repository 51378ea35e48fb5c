-- Key, e-mail and name of a user are sealed in the event under a key of the person's
-- own, which is kept apart so that it can be destroyed, and left out of backups.
CREATE TABLE ledger.person_key (
    user_id uuid PRIMARY KEY,
    key bytea NOT NULL CHECK (octet_length(key) = 32)
);
COMMENT ON TABLE ledger.person_key IS
    'One row is the key that opens one user''s UserAdded; without it the person reads '
    'as erased. Leave it out of backups that are kept for long.';

-- What makes two commands the same is kept as a digest. A digest of something short can
-- be guessed back, unless a secret is part of it.
CREATE TABLE ledger.digest_key (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    key bytea NOT NULL
);
COMMENT ON TABLE ledger.digest_key IS
    'The one secret of the digests in recorded_command. Leave it out of backups too.';
INSERT INTO ledger.digest_key (key)
SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
              || uuid_send(gen_random_uuid()));
UPDATE ledger.recorded_command
   SET digest = sha256((SELECT key FROM ledger.digest_key) || digest);
COMMENT ON COLUMN ledger.recorded_command.digest IS
    'Of the secret and the command. Empty after an erasure: nothing to compare with.';

COMMENT ON TABLE ledger.user_name IS
    'One row is one user ever added: finds the id by key or e-mail. Personal data until '
    'the user is erased; leave it out of backups that are kept for long.';

-- Which users are erased, wherever they are read.
CREATE INDEX stored_events_erasures
    ON ledger.stored_events (originator_id, notification_id)
 WHERE topic = 'UserErased';

-- Destroy what tells who a user was, and the digests of the commands that named the
-- user: as the command's person, or as who gave it. Part of an append.
CREATE FUNCTION ledger.erase_person(erased uuid, of_account uuid, reads_as text)
RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM ledger.person_key WHERE user_id = erased;
    UPDATE ledger.user_name
       SET user_key = reads_as, folded_email = reads_as
     WHERE user_id = erased;
    WITH named AS MATERIALIZED (
        SELECT stored.notification_id AS position
          FROM (SELECT of_account AS stream
                 UNION ALL
                SELECT user_id FROM ledger.user_name WHERE account_id = of_account
               ) AS own
          JOIN ledger.stored_events AS stored ON stored.originator_id = own.stream
         WHERE own.stream = erased
            OR position(convert_to(erased::text, 'UTF8') IN stored.state) > 0
    ), giving AS MATERIALIZED (
        SELECT DISTINCT command.command_key
          FROM ledger.recorded_command AS command
          CROSS JOIN LATERAL unnest(command.positions) AS one(position)
          JOIN named ON named.position = one.position
         WHERE command.account_id = of_account
    )
    UPDATE ledger.recorded_command AS command
       SET digest = ''
     WHERE command.account_id = of_account
       AND command.digest <> ''
       AND (command.positions = '{}'
            OR command.command_key IN (SELECT giving.command_key FROM giving));
$$;
