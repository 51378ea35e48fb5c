-- seat --
CREATE OR REPLACE VIEW {schema}.seat WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, seat.number,
       kind.name || '#' || seat.number AS seat, seat.purchased_at,
       seat.retires_at, seat.purchased_position AS purchased,
       seat.retired_position AS retired
  FROM seat
  JOIN seat_type AS kind ON kind.type_no = seat.seat_type
  JOIN account ON account.account_no = seat.account_no;
COMMENT ON VIEW {schema}.seat IS
    'One row is one seat that was bought, from when to when it is under contract.';
COMMENT ON COLUMN {schema}.seat.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.seat.seat_type IS 'Family and tier.';
COMMENT ON COLUMN {schema}.seat.number IS 'The number within account and type; never used twice.';
COMMENT ON COLUMN {schema}.seat.seat IS 'Type and number, as people write it.';
COMMENT ON COLUMN {schema}.seat.purchased_at IS 'From when on it is under contract.';
COMMENT ON COLUMN {schema}.seat.retires_at IS 'Until when, excluded; null while nothing ends it.';
COMMENT ON COLUMN {schema}.seat.purchased IS 'The position of the purchase.';
COMMENT ON COLUMN {schema}.seat.retired IS 'The position of the retirement.';

-- seat_holding --
CREATE OR REPLACE VIEW {schema}.seat_holding WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, held.number,
       kind.name || '#' || held.number AS seat, person.user_id,
       held.held_from, held.held_until, held.assigned_position AS assigned,
       held.unassigned_position AS unassigned, held.reversed
  FROM seat_holding AS held
  JOIN seat_type AS kind ON kind.type_no = held.seat_type
  JOIN account ON account.account_no = held.account_no
  JOIN user_directory AS person ON person.position = held.user_no;
COMMENT ON VIEW {schema}.seat_holding IS
    'One row is one holding of a seat, or a reversed part of one.';
COMMENT ON COLUMN {schema}.seat_holding.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.seat_holding.seat_type IS 'Family and tier.';
COMMENT ON COLUMN {schema}.seat_holding.number IS 'The seat''s number within account and type.';
COMMENT ON COLUMN {schema}.seat_holding.seat IS 'Type and number, as people write it.';
COMMENT ON COLUMN {schema}.seat_holding.user_id IS 'Who held it.';
COMMENT ON COLUMN {schema}.seat_holding.held_from IS
    'The start, included; null for an unassignment that was reversed.';
COMMENT ON COLUMN {schema}.seat_holding.held_until IS 'The end, excluded; null while it lasts.';
COMMENT ON COLUMN {schema}.seat_holding.assigned IS 'The position of the assignment.';
COMMENT ON COLUMN {schema}.seat_holding.unassigned IS 'The position of the unassignment.';
COMMENT ON COLUMN {schema}.seat_holding.reversed IS 'Whether the entry never held.';
