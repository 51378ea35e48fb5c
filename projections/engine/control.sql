-- What the projections themselves are: generations side by side, one of them served.
CREATE SCHEMA projection;
COMMENT ON SCHEMA projection IS
    'The read side: views of the generation that is served, for any client.';

CREATE TABLE projection.generation (
    number integer PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('building', 'served', 'kept')),
    versions jsonb NOT NULL,
    position bigint NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    failed_position bigint,
    failed_reason text,
    failed_at timestamptz
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE projection.generation IS
    'One row is one set of tables, in the schema projection_<number>.';
COMMENT ON COLUMN projection.generation.versions IS
    'By projection: what tells its definition from another.';
COMMENT ON COLUMN projection.generation.position IS
    'The checkpoint: up to which position of the store the tables are.';
COMMENT ON COLUMN projection.generation.failed_position IS
    'The event that stops the projections, if one does.';

-- One generation at most is served.
CREATE UNIQUE INDEX generation_served
    ON projection.generation (state)
 WHERE state = 'served';

CREATE TABLE projection.rebuild (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    backend integer NOT NULL,
    who text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE projection.rebuild IS
    'At most one row: who rebuilds, or was rebuilding when the machine stopped.';
