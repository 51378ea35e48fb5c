-- An erasure looks through everything that an account recorded, to find the commands
-- that named the person. On a large account that takes seconds: so it is asked before
-- the append, and the append, for which all others wait, touches only what was found.
-- Nothing can come between: an append is refused when its account has moved.
CREATE FUNCTION ledger.commands_naming(person uuid, of_account uuid)
RETURNS TABLE (command_key text)
LANGUAGE sql STABLE AS $$
    WITH named AS MATERIALIZED (
        SELECT stored.notification_id AS position
          FROM (SELECT of_account AS stream
                 UNION ALL
                SELECT user_id FROM ledger.user_name WHERE account_id = of_account
               ) AS own
          JOIN ledger.stored_events AS stored ON stored.originator_id = own.stream
         WHERE own.stream = person
            OR position(convert_to(person::text, 'UTF8') IN stored.state) > 0
    ), giving AS MATERIALIZED (
        SELECT DISTINCT command.command_key
          FROM ledger.recorded_command AS command
         CROSS JOIN LATERAL unnest(command.positions) AS one(position)
          JOIN named ON named.position = one.position
         WHERE command.account_id = of_account
    )
    SELECT command.command_key
      FROM ledger.recorded_command AS command
     WHERE command.account_id = of_account
       AND command.digest <> ''
       AND (command.positions = '{}'
            OR command.command_key IN (SELECT giving.command_key FROM giving));
$$;

DROP FUNCTION ledger.erase_person(uuid, uuid, text);

-- Destroy what tells who a user was, and the digests of commands. Part of an append.
CREATE FUNCTION ledger.erase_person(
    erased uuid, of_account uuid, reads_as text, command_keys text[])
RETURNS void
LANGUAGE sql VOLATILE AS $$
    DELETE FROM ledger.person_key WHERE user_id = erased;
    UPDATE ledger.user_name
       SET user_key = reads_as, folded_email = reads_as
     WHERE user_id = erased;
    UPDATE ledger.recorded_command AS command
       SET digest = ''
     WHERE command.account_id = of_account
       AND command.command_key = ANY (command_keys)
       AND command.digest <> '';
$$;
