-- From when to when each user was one of the account, knowing events up to a position.
CREATE FUNCTION membership_at(known bigint) RETURNS TABLE (
    user_no bigint,
    account_no bigint,
    added_at timestamptz,
    removed_at timestamptz,
    added bigint,
    removed bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT said.user_no,
           said.account_no,
           min(said.effective_at) FILTER (WHERE said.topic = 'UserAdded'),
           min(said.effective_at) FILTER (WHERE said.topic = 'UserRemoved'),
           min(said.position) FILTER (WHERE said.topic = 'UserAdded'),
           min(said.position) FILTER (WHERE said.topic = 'UserRemoved')
      FROM entry_at(known) AS said
     WHERE said.topic IN ('UserAdded', 'UserRemoved')
       AND said.number IS NULL
       AND said.user_no IS NOT NULL
     GROUP BY said.user_no, said.account_no
    HAVING count(*) FILTER (WHERE said.topic = 'UserAdded') > 0;
END;

-- From when to when each user had access to each hub; paired like holdings.
CREATE FUNCTION hub_access_at(known bigint) RETURNS TABLE (
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
           SELECT said.user_no, said.account_no, said.hub, said.topic,
                  said.effective_at, said.position,
                  row_number() OVER (
                      PARTITION BY said.user_no, said.account_no, said.hub, said.topic
                      ORDER BY said.effective_at, said.position
                  ) AS nth
             FROM entry_at(known) AS said
            WHERE said.topic IN ('HubAccessGranted', 'HubAccessRevoked')
              AND said.number IS NULL
              AND said.user_no IS NOT NULL
           ) AS mark
     GROUP BY mark.user_no, mark.account_no, mark.hub, mark.nth;
END;
