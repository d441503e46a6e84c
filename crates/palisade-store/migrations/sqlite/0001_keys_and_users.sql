-- API keys, users, and a log of their changes by which nodes forget what they remember.
-- Times are seconds since 1970-01-01T00:00:00Z; lists are JSON arrays of texts.

CREATE TABLE palisade_api_keys (
    id          TEXT PRIMARY KEY NOT NULL,            -- of an imported key: how its digest begins
    scheme      TEXT NOT NULL,
    prefix      TEXT NOT NULL,
    digest      TEXT NOT NULL UNIQUE CHECK (digest LIKE 'sha256:%' AND length(digest) = 71),
    legacy      INTEGER NOT NULL DEFAULT 0 CHECK (legacy IN (0, 1)),
    owner       TEXT NOT NULL CHECK (owner <> ''),
    scopes      TEXT NOT NULL DEFAULT '[]',
    roles       TEXT NOT NULL DEFAULT '[]',
    tenant      TEXT,
    expires     INTEGER,
    active      INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created     INTEGER NOT NULL,
    last_used   INTEGER,
    replaced_by TEXT,
    note        TEXT,
    quota       TEXT
) WITHOUT ROWID;

CREATE INDEX palisade_api_keys_legacy ON palisade_api_keys (id) WHERE legacy = 1;

CREATE TABLE palisade_users (
    name          TEXT PRIMARY KEY NOT NULL CHECK (name <> ''),
    password_hash TEXT NOT NULL CHECK (password_hash LIKE '$%'),
    scopes        TEXT NOT NULL DEFAULT '[]',
    roles         TEXT NOT NULL DEFAULT '[]',
    tenant        TEXT,
    active        INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created       INTEGER NOT NULL,
    changed       INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE palisade_changes (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,                            -- 'key', 'legacy' or 'user'
    name    TEXT NOT NULL                             -- the id, the digest, or the name
);

-- Triggers, so that a change by hand is seen as well. Writing last_used is no change.

CREATE TRIGGER palisade_api_keys_insert AFTER INSERT ON palisade_api_keys BEGIN
    INSERT INTO palisade_changes (kind, name)
    VALUES (iif(NEW.legacy = 1, 'legacy', 'key'), iif(NEW.legacy = 1, NEW.digest, NEW.id));
END;

CREATE TRIGGER palisade_api_keys_update
AFTER UPDATE OF id, scheme, prefix, digest, legacy, owner, scopes, roles, tenant, expires, active, replaced_by, note, quota
ON palisade_api_keys BEGIN
    INSERT INTO palisade_changes (kind, name)
    VALUES (iif(OLD.legacy = 1, 'legacy', 'key'), iif(OLD.legacy = 1, OLD.digest, OLD.id));
    INSERT INTO palisade_changes (kind, name)
    SELECT iif(NEW.legacy = 1, 'legacy', 'key'), iif(NEW.legacy = 1, NEW.digest, NEW.id)
    WHERE NEW.id <> OLD.id OR NEW.digest <> OLD.digest OR NEW.legacy <> OLD.legacy;
END;

CREATE TRIGGER palisade_api_keys_delete AFTER DELETE ON palisade_api_keys BEGIN
    INSERT INTO palisade_changes (kind, name)
    VALUES (iif(OLD.legacy = 1, 'legacy', 'key'), iif(OLD.legacy = 1, OLD.digest, OLD.id));
END;

CREATE TRIGGER palisade_users_insert AFTER INSERT ON palisade_users BEGIN
    INSERT INTO palisade_changes (kind, name) VALUES ('user', NEW.name);
END;

CREATE TRIGGER palisade_users_update AFTER UPDATE ON palisade_users BEGIN
    INSERT INTO palisade_changes (kind, name) VALUES ('user', OLD.name);
    INSERT INTO palisade_changes (kind, name) SELECT 'user', NEW.name WHERE NEW.name <> OLD.name;
END;

CREATE TRIGGER palisade_users_delete AFTER DELETE ON palisade_users BEGIN
    INSERT INTO palisade_changes (kind, name) VALUES ('user', OLD.name);
END;
