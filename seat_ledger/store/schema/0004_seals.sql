-- The Merkle log over the stored events: what `integrity seal` keeps. It is evidence
-- only together with the key that signs and with checkpoints kept elsewhere.
CREATE TABLE ledger.sealed_tile (
    level smallint NOT NULL,
    number bigint NOT NULL,
    last_position bigint,
    positions bigint[],
    hashes bytea NOT NULL,
    PRIMARY KEY (level, number)
);
ALTER TABLE ledger.sealed_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE ledger.sealed_tile IS
    'One row is up to 256 hashes, 32 bytes each, of one level of the sealed tree.';
COMMENT ON COLUMN ledger.sealed_tile.level IS
    '0: hashes of events; n: each the root of a full tile of level n - 1.';
COMMENT ON COLUMN ledger.sealed_tile.last_position IS
    'Level 0: where the last of the events stands.';
COMMENT ON COLUMN ledger.sealed_tile.positions IS
    'Level 0: where the events stand; left out where they follow without a gap.';

-- A proof finds the tile of a position.
CREATE INDEX sealed_tile_by_position
    ON ledger.sealed_tile (last_position)
 WHERE level = 0;

CREATE TABLE ledger.sealed_checkpoint (
    tree_size bigint PRIMARY KEY,
    position bigint NOT NULL,
    note text NOT NULL
);
COMMENT ON TABLE ledger.sealed_checkpoint IS
    'One row is one signed checkpoint: so many events, up to this position.';
COMMENT ON COLUMN ledger.sealed_checkpoint.note IS
    'The signed note (C2SP tlog-checkpoint); it alone counts, not the columns.';
