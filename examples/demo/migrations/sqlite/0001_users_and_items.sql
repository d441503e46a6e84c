-- Names and addresses that differ in case only would be mistaken for one another.
CREATE TABLE users (
    id       INTEGER PRIMARY KEY,
    username TEXT NOT NULL UNIQUE COLLATE NOCASE,
    email    TEXT NOT NULL UNIQUE COLLATE NOCASE,
    roles    TEXT NOT NULL -- words with a space between them
) STRICT;

-- An owner is known by issuer and subject together: another issuer may have a john, too.
CREATE TABLE items (
    id          INTEGER PRIMARY KEY,
    issuer      TEXT NOT NULL,
    owner       TEXT NOT NULL,
    public      INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL
) STRICT;

CREATE INDEX items_by_owner ON items (issuer, owner);
