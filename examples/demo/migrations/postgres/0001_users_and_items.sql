CREATE TABLE users (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username TEXT NOT NULL,
    email    TEXT NOT NULL,
    roles    TEXT NOT NULL -- words with a space between them
);

-- Names and addresses that differ in case only would be mistaken for one another.
CREATE UNIQUE INDEX users_by_username ON users (lower(username));
CREATE UNIQUE INDEX users_by_email ON users (lower(email));

-- An owner is known by issuer and subject together: another issuer may have a john, too.
CREATE TABLE items (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer      TEXT NOT NULL,
    owner       TEXT NOT NULL,
    public      BIGINT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL
);

CREATE INDEX items_by_owner ON items (issuer, owner);
