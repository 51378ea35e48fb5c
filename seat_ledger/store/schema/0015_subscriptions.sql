-- Who hears of events by webhook, how far each is, and what could not be delivered. What
-- is sent is read from the store when it is sent; only positions are kept here.
CREATE TABLE ledger.subscription (
    subscription_id text COLLATE "C" PRIMARY KEY,
    url text NOT NULL,
    secret bytea NOT NULL,
    allow_private boolean NOT NULL,
    position bigint NOT NULL CHECK (position >= 0),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'gone')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_error text,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by name NOT NULL DEFAULT session_user
);
COMMENT ON TABLE ledger.subscription IS
    'One row is one subscriber: its address, its secret, and the position it is at.';

CREATE TABLE ledger.dead_letter (
    subscription_id text COLLATE "C" NOT NULL
        REFERENCES ledger.subscription (subscription_id),
    position bigint NOT NULL,
    attempts integer NOT NULL,
    error text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (subscription_id, position)
);
COMMENT ON TABLE ledger.dead_letter IS
    'One row is one event that a subscriber did not take, and that was passed over.';
