-- One row: which definitions these tables were made by, and up to which position.
CREATE TABLE projection.checkpoint (
    version text NOT NULL,
    position bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE projection.checkpoint IS
    'One row: up to which position of the store the projections are.';
