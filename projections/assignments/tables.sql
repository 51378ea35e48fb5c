-- table --
-- One row is one holding that nothing ends: who has which seat now.
CREATE TABLE current_assignment (
    account_no bigint NOT NULL,
    seat_type integer NOT NULL,
    number integer NOT NULL,
    user_no bigint NOT NULL,
    held_from timestamptz NOT NULL,
    assigned_position bigint NOT NULL
);

-- indexes of current_assignment --
CREATE UNIQUE INDEX current_assignment_by_entry
    ON current_assignment (assigned_position);
CREATE INDEX current_assignment_by_seat
    ON current_assignment (account_no, seat_type, number);
CREATE INDEX current_assignment_by_user ON current_assignment (user_no);
