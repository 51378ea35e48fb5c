-- table --
-- One row is the figures of one account, billing period and seat type, by every
-- counting rule: exact whole numbers, to be divided by the period's length.
CREATE TABLE billable_seats (
    account_no bigint NOT NULL,
    seat_type integer NOT NULL,
    period_no integer NOT NULL,
    opening integer NOT NULL,
    bought integer NOT NULL,
    retired integer NOT NULL,
    closing integer NOT NULL,
    assigned_opening integer NOT NULL,
    assigned_peak integer NOT NULL,
    assigned_closing integer NOT NULL,
    idle_days bigint NOT NULL,
    contracted_days bigint NOT NULL,
    contracted_time numeric NOT NULL,
    rises_days bigint NOT NULL,
    rises_time numeric NOT NULL,
    held_time numeric NOT NULL,
    peak_days bigint NOT NULL,
    touched_days bigint NOT NULL,
    holders bigint NOT NULL
);

-- indexes of billable_seats --
CREATE UNIQUE INDEX billable_seats_by_period
    ON billable_seats (account_no, seat_type, period_no);
