-- table --
-- One row is one step: from this instant until the type's next row, so many seats were
-- under contract, and so many were held.
CREATE TABLE seat_count (
    account_no bigint NOT NULL,
    seat_type integer NOT NULL,
    at timestamptz NOT NULL,
    seats_purchased integer NOT NULL,
    seats_assigned integer NOT NULL,
    bought integer NOT NULL,
    retired integer NOT NULL,
    filled integer NOT NULL,
    freed integer NOT NULL
);

-- indexes of seat_count --
CREATE UNIQUE INDEX seat_count_by_instant ON seat_count (account_no, seat_type, at);
