-- API keys, users, and a log of their changes by which nodes forget what they remember.
-- Times are seconds since 1970-01-01T00:00:00Z; lists are JSON arrays of texts.

CREATE TABLE palisade_api_keys (
    id          TEXT PRIMARY KEY,                     -- of an imported key: how its digest begins
    scheme      TEXT NOT NULL,
    prefix      TEXT NOT NULL,
    digest      TEXT NOT NULL UNIQUE CHECK (digest LIKE 'sha256:%' AND length(digest) = 71),
    legacy      INTEGER NOT NULL DEFAULT 0 CHECK (legacy IN (0, 1)),
    owner       TEXT NOT NULL CHECK (owner <> ''),
    scopes      TEXT NOT NULL DEFAULT '[]',
    roles       TEXT NOT NULL DEFAULT '[]',
    tenant      TEXT,
    expires     BIGINT,
    active      INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created     BIGINT NOT NULL,
    last_used   BIGINT,
    replaced_by TEXT,
    note        TEXT,
    quota       TEXT
);

CREATE INDEX palisade_api_keys_legacy ON palisade_api_keys (id) WHERE legacy = 1;

CREATE TABLE palisade_users (
    name          TEXT PRIMARY KEY CHECK (name <> ''),
    password_hash TEXT NOT NULL CHECK (password_hash LIKE '$%'),
    scopes        TEXT NOT NULL DEFAULT '[]',
    roles         TEXT NOT NULL DEFAULT '[]',
    tenant        TEXT,
    active        INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created       BIGINT NOT NULL,
    changed       BIGINT NOT NULL
);

CREATE TABLE palisade_changes (
    version BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    TEXT NOT NULL,                            -- 'key', 'legacy', 'user' or 'all'
    name    TEXT NOT NULL                             -- the id, the digest, or the name
);

-- The lock makes versions visible in their order: whoever has read version n has read all before
-- it. Without it a transaction that commits late would be overlooked.
CREATE FUNCTION palisade_note(kind TEXT, name TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7809644627822027883);
    INSERT INTO palisade_changes (kind, name) VALUES (palisade_note.kind, palisade_note.name);
    PERFORM pg_notify('palisade_changes', '');
END $$;

CREATE FUNCTION palisade_note_key() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM palisade_note(CASE OLD.legacy WHEN 1 THEN 'legacy' ELSE 'key' END,
                              CASE OLD.legacy WHEN 1 THEN OLD.digest ELSE OLD.id END);
    END IF;
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE'
        AND (NEW.id, NEW.digest, NEW.legacy) IS DISTINCT FROM (OLD.id, OLD.digest, OLD.legacy) THEN
        PERFORM palisade_note(CASE NEW.legacy WHEN 1 THEN 'legacy' ELSE 'key' END,
                              CASE NEW.legacy WHEN 1 THEN NEW.digest ELSE NEW.id END);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION palisade_note_user() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM palisade_note('user', OLD.name);
    END IF;
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND NEW.name <> OLD.name THEN
        PERFORM palisade_note('user', NEW.name);
    END IF;
    RETURN NULL;
END $$;

-- Emptying a table is a change of everything in it.
CREATE FUNCTION palisade_note_truncate() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM palisade_note('all', '');
    RETURN NULL;
END $$;

-- Triggers, so that a change by hand is seen as well. Writing last_used is no change.

CREATE TRIGGER palisade_api_keys_change
AFTER INSERT OR DELETE
    OR UPDATE OF id, scheme, prefix, digest, legacy, owner, scopes, roles, tenant, expires, active, replaced_by, note, quota
ON palisade_api_keys FOR EACH ROW EXECUTE FUNCTION palisade_note_key();

CREATE TRIGGER palisade_api_keys_truncate
AFTER TRUNCATE ON palisade_api_keys FOR EACH STATEMENT EXECUTE FUNCTION palisade_note_truncate();

CREATE TRIGGER palisade_users_change
AFTER INSERT OR DELETE OR UPDATE ON palisade_users FOR EACH ROW EXECUTE FUNCTION palisade_note_user();

CREATE TRIGGER palisade_users_truncate
AFTER TRUNCATE ON palisade_users FOR EACH STATEMENT EXECUTE FUNCTION palisade_note_truncate();
