-- From when to when each user was one of the account, knowing events up to a position.
CREATE FUNCTION membership_at(known_position bigint) RETURNS TABLE (
    user_no bigint,
    account_no bigint,
    added_at timestamptz,
    removed_at timestamptz,
    added bigint,
    removed bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.user_no,
           entry.account_no,
           min(entry.effective_at) FILTER (WHERE entry.topic = 'UserAdded'),
           min(entry.effective_at) FILTER (WHERE entry.topic = 'UserRemoved'),
           min(entry.position) FILTER (WHERE entry.topic = 'UserAdded'),
           min(entry.position) FILTER (WHERE entry.topic = 'UserRemoved')
      FROM entry_at(known_position) AS entry
     WHERE entry.topic IN ('UserAdded', 'UserRemoved')
       AND entry.number IS NULL
       AND entry.user_no IS NOT NULL
     GROUP BY entry.user_no, entry.account_no
    HAVING count(*) FILTER (WHERE entry.topic = 'UserAdded') > 0;
END;

-- From when to when each user had access to each hub; paired like holdings.
CREATE FUNCTION hub_access_at(known_position bigint) RETURNS TABLE (
    user_no bigint,
    account_no bigint,
    hub text,
    nth bigint,
    granted_at timestamptz,
    revoked_at timestamptz,
    granted bigint,
    revoked bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT mark.user_no,
           mark.account_no,
           mark.hub,
           mark.nth,
           min(mark.effective_at) FILTER (WHERE mark.topic = 'HubAccessGranted'),
           min(mark.effective_at) FILTER (WHERE mark.topic = 'HubAccessRevoked'),
           min(mark.position) FILTER (WHERE mark.topic = 'HubAccessGranted'),
           min(mark.position) FILTER (WHERE mark.topic = 'HubAccessRevoked')
      FROM (
           SELECT entry.user_no, entry.account_no, entry.hub, entry.topic,
                  entry.effective_at, entry.position,
                  row_number() OVER (
                      PARTITION BY entry.user_no, entry.account_no, entry.hub, entry.topic
                      ORDER BY entry.effective_at, entry.position
                  ) AS nth
             FROM entry_at(known_position) AS entry
            WHERE entry.topic IN ('HubAccessGranted', 'HubAccessRevoked')
              AND entry.number IS NULL
              AND entry.user_no IS NOT NULL
           ) AS mark
     GROUP BY mark.user_no, mark.account_no, mark.hub, mark.nth;
END;
