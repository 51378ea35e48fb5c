-- seat_type --
CREATE OR REPLACE VIEW {schema}.seat_type WITH (security_invoker = true) AS
SELECT name AS seat_type, split_part(name, '/', 1) AS hub, exclusive,
       nullif(added, 0) AS added
  FROM seat_type;
COMMENT ON VIEW {schema}.seat_type IS 'One row is one seat type that was ever added.';
COMMENT ON COLUMN {schema}.seat_type.seat_type IS 'Hub and tier.';
COMMENT ON COLUMN {schema}.seat_type.hub IS 'The hub alone.';
COMMENT ON COLUMN {schema}.seat_type.exclusive IS
    'Whether a user holds at most one live seat of the hub.';
COMMENT ON COLUMN {schema}.seat_type.added IS
    'The position of the event that added it; null for those that are there from the start.';
