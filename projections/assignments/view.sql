-- current_assignment --
CREATE OR REPLACE VIEW {schema}.current_assignment WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, held.number,
       kind.name || '#' || held.number AS seat, person.user_id,
       coalesce(renamed.user_key, person.user_key) AS user_key,
       coalesce(renamed.email, person.email) AS email,
       coalesce(renamed.name, person.name) AS name, held.held_from,
       held.assigned_position AS assigned
  FROM current_assignment AS held
  JOIN seat_type AS kind ON kind.type_no = held.seat_type
  JOIN account ON account.account_no = held.account_no
  JOIN user_directory AS person ON person.position = held.user_no
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
       ) AS renamed ON true;
COMMENT ON VIEW {schema}.current_assignment IS
    'One row is one seat that somebody has now. Names come from the user directory.';
COMMENT ON COLUMN {schema}.current_assignment.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.current_assignment.seat_type IS 'Family and tier.';
COMMENT ON COLUMN {schema}.current_assignment.number IS
    'The seat''s number within account and type.';
COMMENT ON COLUMN {schema}.current_assignment.seat IS 'Type and number, as people write it.';
COMMENT ON COLUMN {schema}.current_assignment.user_id IS 'Who has it.';
COMMENT ON COLUMN {schema}.current_assignment.user_key IS 'The user''s key; personal data.';
COMMENT ON COLUMN {schema}.current_assignment.email IS 'Personal data.';
COMMENT ON COLUMN {schema}.current_assignment.name IS 'Personal data.';
COMMENT ON COLUMN {schema}.current_assignment.held_from IS 'Since when it is held.';
COMMENT ON COLUMN {schema}.current_assignment.assigned IS 'The position of the assignment.';
