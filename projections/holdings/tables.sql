-- table --
-- One row is one seat that was bought: from when to when it is under contract, and by
-- which entries. A purchase that was reversed makes no row.
CREATE TABLE seat (
    account_no bigint NOT NULL,
    seat_type integer NOT NULL,
    number integer NOT NULL,
    purchased_at timestamptz NOT NULL,
    retires_at timestamptz,
    purchased_position bigint NOT NULL,
    retired_position bigint
);

-- One row is one holding of a seat by a user, with the entries that open and close it;
-- or an assignment or unassignment that was reversed, marked as such.
CREATE TABLE seat_holding (
    entry bigint NOT NULL,
    account_no bigint NOT NULL,
    seat_type integer NOT NULL,
    number integer NOT NULL,
    user_no bigint NOT NULL,
    held_from timestamptz,
    held_until timestamptz,
    assigned_position bigint,
    unassigned_position bigint,
    reversed boolean NOT NULL
);

-- indexes of seat --
CREATE UNIQUE INDEX seat_by_number ON seat (account_no, seat_type, number);

-- indexes of seat_holding --
CREATE UNIQUE INDEX seat_holding_by_entry ON seat_holding (entry);
-- Who held a seat.
CREATE INDEX seat_holding_by_seat
    ON seat_holding (account_no, seat_type, number, held_from);
-- What a user held.
CREATE INDEX seat_holding_by_user ON seat_holding (user_no);
-- Which holdings last beyond an instant: what catch-up counts anew.
CREATE INDEX seat_holding_by_end ON seat_holding (account_no, seat_type, held_until)
 WHERE NOT reversed;
