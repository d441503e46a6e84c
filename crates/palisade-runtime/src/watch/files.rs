//! What files hold, looked at often and read only when they may have changed.

use palisade_core::{Clock, SystemClock};
use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    hash::{BuildHasher, RandomState},
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

/// Neither a policy nor a key file may be larger, so nothing beyond it counts.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Two writes within one step of the file system's clock, 2 seconds at the coarsest, leave the
/// same stamp. A file that was written so recently is read again.
const STEP: Duration = Duration::from_secs(3);

/// What each file holds: a hash, or nothing if it cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content(BTreeMap<PathBuf, Option<u64>>);

impl Content {
    /// Takes over what `other` says of the files that are in both.
    pub(super) fn replace_known(&mut self, other: Self) {
        for (path, hash) in other.0 {
            if let Some(own) = self.0.get_mut(&path) {
                *own = hash;
            }
        }
    }
}

/// The files as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Watched {
    seen: BTreeMap<PathBuf, Seen>,
    hasher: RandomState,
    clock: SystemClock,
}

/// One file at the last look.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stamp: Option<Stamp>,
    /// Whether a later change is sure to change the stamp.
    settled: bool,
    hash: Option<u64>,
}

/// What changes with the content: the time of a write, and which file it is, after another was
/// put in its place or a symbolic link was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Since 1970-01-01T00:00:00Z.
    changed: Option<Duration>,
    length: u64,
    identity: (u64, u64),
}

impl Watched {
    /// What these files hold now. Files that are not among them are forgotten.
    pub(super) fn look(&mut self, paths: Vec<PathBuf>) -> Content {
        let mut seen = BTreeMap::new();
        for path in paths {
            let before = self.seen.remove(&path);
            let now = self.look_at(&path, before);
            seen.insert(path, now);
        }
        self.seen = seen;
        let hashes = self.seen.iter();
        Content(
            hashes
                .map(|(path, seen)| (path.clone(), seen.hash))
                .collect(),
        )
    }

    fn look_at(&self, path: &Path, before: Option<Seen>) -> Seen {
        let stamp = Stamp::of(path);
        match before {
            Some(before) if before.settled && before.stamp == stamp => before,
            _ => Seen {
                stamp,
                settled: stamp.is_none_or(|stamp| stamp.is_settled(self.now())),
                // Only if there is a stamp: reading from a pipe would wait for its writer.
                hash: stamp.and_then(|_| self.hash(path)),
            },
        }
    }

    /// Since 1970-01-01T00:00:00Z.
    fn now(&self) -> Duration {
        Duration::from_millis(self.clock.unix_millis())
    }

    fn hash(&self, path: &Path) -> Option<u64> {
        let mut bytes = Vec::new();
        let file = File::open(path).ok()?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).ok()?;
        Some(self.hasher.hash_one(bytes))
    }
}

impl Stamp {
    /// Of a regular file, at the end of all symbolic links.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some(Self {
            changed: changed(&metadata),
            length: metadata.len(),
            identity: identity(&metadata),
        })
    }

    /// Whether a change after `now` is sure to leave another stamp.
    fn is_settled(self, now: Duration) -> bool {
        let age = self.changed.and_then(|changed| now.checked_sub(changed));
        age.is_some_and(|age| age > STEP)
    }
}

/// Unlike the time of modification, nobody can set this one back.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<Duration> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    Some(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> Option<Duration> {
    let modified = metadata.modified().ok()?;
    modified.duration_since(std::time::UNIX_EPOCH).ok()
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_write_shows_in_the_stamp_once_the_first_is_old() {
        let at = |changed| Stamp {
            changed,
            length: 0,
            identity: (0, 0),
        };
        let written = Duration::from_secs(1_000);
        let settled = |now| at(Some(written)).is_settled(now);
        assert!(!settled(written) && !settled(written + STEP));
        assert!(settled(written + STEP + Duration::from_millis(1)));
        assert!(!settled(Duration::ZERO), "in the future");
        assert!(!at(None).is_settled(written));
    }

    #[test]
    fn a_file_is_read_again_only_when_it_may_have_changed() {
        let path = std::env::temp_dir().join(format!("palisade-files-{}", std::process::id()));
        fs::write(&path, "one").unwrap();
        let mut watched = Watched::default();
        let first = watched.look(vec![path.clone()]);
        fs::write(&path, "two").unwrap();
        assert_ne!(watched.look(vec![path.clone()]), first);

        let known = Seen {
            settled: true,
            hash: Some(7),
            ..watched.seen[&path]
        };
        watched.seen.insert(path.clone(), known);
        watched.look(vec![path.clone()]);
        assert_eq!(watched.seen[&path].hash, Some(7));
        fs::write(&path, "longer").unwrap();
        watched.look(vec![path.clone()]);
        assert_ne!(watched.seen[&path].hash, Some(7));
        fs::remove_file(&path).unwrap();
        watched.look(vec![path.clone()]);
        assert_eq!(watched.seen[&path].hash, None);
        watched.look(Vec::new());
        assert!(watched.seen.is_empty());
    }
}
