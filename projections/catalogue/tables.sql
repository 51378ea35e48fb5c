-- table --
-- One row is one seat type that was ever added (R80). Everywhere else a type is its
-- number: that of its place among those that are there from the start, which `added` 0
-- marks, or as many more as the version of the event that added it.
CREATE TABLE seat_type (
    type_no integer NOT NULL,
    name text NOT NULL,
    exclusive boolean NOT NULL,
    added bigint NOT NULL
);

-- indexes of seat_type --
CREATE UNIQUE INDEX seat_type_by_number ON seat_type (type_no);
CREATE UNIQUE INDEX seat_type_by_name ON seat_type (name);
