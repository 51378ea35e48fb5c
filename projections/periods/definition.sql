-- The dates of periods that follow each other, one behind the other.
CREATE AGGREGATE dates_of(timestamptz[]) (sfunc = array_cat, stype = timestamptz[]);
