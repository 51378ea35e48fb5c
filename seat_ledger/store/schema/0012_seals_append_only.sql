-- Seals are only added to. A tile that is not full yet grows by rows, each with the
-- hashes that one seal added, instead of being written anew.
ALTER TABLE ledger.sealed_tile
    ADD COLUMN start smallint NOT NULL DEFAULT 0;
ALTER TABLE ledger.sealed_tile
    ALTER COLUMN start DROP DEFAULT,
    DROP CONSTRAINT sealed_tile_pkey,
    ADD PRIMARY KEY (level, number, start);
COMMENT ON TABLE ledger.sealed_tile IS
    'One row is up to 256 hashes, 32 bytes each, of one tile of the sealed tree. A help '
    'to find what differs, and to prove; it is never believed without a signed note.';
COMMENT ON COLUMN ledger.sealed_tile.start IS
    'How many hashes of the tile stand in rows before this one.';
COMMENT ON COLUMN ledger.sealed_tile.last_position IS
    'Level 0: where the last of the row''s events stands.';

COMMENT ON COLUMN ledger.sealed_checkpoint.note IS
    'The signed note (C2SP tlog-checkpoint). Size and position are read from it alone.';
COMMENT ON COLUMN ledger.sealed_checkpoint.tree_size IS
    'As in the note; what differs from it is a finding.';
COMMENT ON COLUMN ledger.sealed_checkpoint.position IS
    'As in the note; what differs from it is a finding.';

-- The last checkpoint, by what the notes say: the longest number, then the greatest.
CREATE INDEX sealed_checkpoint_by_note
    ON ledger.sealed_checkpoint (
        (pg_catalog.length(pg_catalog.split_part(note, E'\n', 2))) DESC,
        (pg_catalog.split_part(note, E'\n', 2) COLLATE "C") DESC);

CREATE FUNCTION ledger.refuse_seal_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'seals are never changed or removed'
        USING ERRCODE = 'restrict_violation',
              HINT = 'The owner of the ledger makes them anew from the events: '
                     'seat-ledger integrity seal --rebuild-tiles';
END;
$$;
COMMENT ON FUNCTION ledger.refuse_seal_change() IS
    'Refuses to change or remove what was sealed, whoever asks.';

CREATE TRIGGER sealed_tile_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.sealed_tile
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_seal_change();
CREATE TRIGGER sealed_checkpoint_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.sealed_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_seal_change();
