-- current_assignment --
CREATE OR REPLACE VIEW {schema}.current_assignment WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, held.number,
       kind.name || '#' || held.number AS seat, person.user_id,
       person.user_key, person.email, person.name, held.held_from,
       held.assigned_position AS assigned
  FROM current_assignment AS held
  JOIN seat_type AS kind ON kind.type_no = held.seat_type
  JOIN account ON account.account_no = held.account_no
  JOIN user_directory AS person ON person.user_no = held.user_no;
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
