-- table --
-- One row is one billing period that exists (R38), from the one calendar: its bounds,
-- its local dates, and the policy in force at its start (R50). The dates of a year stay
-- in the row, unpacked: every step and holding looks into them.
CREATE TABLE billing_period (
    account_no bigint NOT NULL,
    period_no integer NOT NULL,
    label date NOT NULL,
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    until date NOT NULL,
    days integer NOT NULL,
    time_zone text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL,
    granularity text COLLATE "C",
    day_starts timestamptz[] NOT NULL
) WITH (toast_tuple_target = 8160);

-- indexes of billing_period --
CREATE UNIQUE INDEX billing_period_by_number ON billing_period (account_no, period_no);
-- Every account's period that begins in a month.
CREATE INDEX billing_period_by_label ON billing_period (label);
