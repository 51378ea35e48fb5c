-- seat_count --
CREATE OR REPLACE VIEW {schema}.seat_count WITH (security_invoker = true) AS
SELECT account.account_key AS account, kind.name AS seat_type, step.at,
       step.seats_purchased AS purchased, step.seats_assigned AS assigned,
       step.seats_purchased - step.seats_assigned AS available
  FROM seat_count AS step
  JOIN seat_type AS kind ON kind.type_no = step.seat_type
  JOIN account ON account.account_no = step.account_no;
COMMENT ON VIEW {schema}.seat_count IS
    'One row is one step: the counts from this instant until the type''s next row.';
COMMENT ON COLUMN {schema}.seat_count.account IS 'The account''s key.';
COMMENT ON COLUMN {schema}.seat_count.seat_type IS 'Hub and tier.';
COMMENT ON COLUMN {schema}.seat_count.at IS 'From this instant on.';
COMMENT ON COLUMN {schema}.seat_count.purchased IS 'Seats under contract.';
COMMENT ON COLUMN {schema}.seat_count.assigned IS 'Seats held by somebody.';
COMMENT ON COLUMN {schema}.seat_count.available IS 'Seats under contract that nobody holds.';
