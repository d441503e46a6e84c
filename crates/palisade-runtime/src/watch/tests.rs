use super::*;
use palisade_core::scope;
use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

/// A policy file of the test's own, and how often it was loaded.
struct Policy {
    folder: PathBuf,
    loads: Arc<AtomicUsize>,
}

impl Policy {
    fn new(test: &str) -> Self {
        let folder = format!("palisade-watch-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            loads: Arc::default(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("palisade.toml")
    }

    /// A version that declares one scope, by which it is told from others.
    fn write(&self, scope: &str) {
        fs::write(self.file(), version(scope)).unwrap();
    }

    fn load(&self) -> Palisade {
        let loads = Arc::clone(&self.loads);
        let load = Palisade::load(self.file(), move |policy| {
            loads.fetch_add(1, SeqCst);
            policy
        });
        load.unwrap()
    }

    fn watcher(&self) -> Watcher {
        Watcher::new(self.load())
    }

    fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn version(scope: &str) -> String {
    format!("scopes = [\"{scope}\"]\n[[rule]]\npath = \"/\"\nrequire = \"public\"\n")
}

fn serves(watcher: &Watcher, name: &str) -> bool {
    watcher.palisade.check(&scope(name)).is_ok()
}

/// The first look finds the change, the second finds it whole.
fn look_twice(watcher: &mut Watcher, before: &str) {
    watcher.look();
    assert!(serves(watcher, before));
    watcher.look();
}

#[test]
fn however_a_file_is_written_the_new_version_serves() {
    let policy = Policy::new("ways");
    policy.write("one");
    let mut watcher = policy.watcher();

    policy.write("in-place");
    look_twice(&mut watcher, "one");
    assert!(serves(&watcher, "in-place"));

    let beside = policy.folder.join("palisade.toml~");
    fs::write(&beside, version("renamed")).unwrap();
    fs::rename(beside, policy.file()).unwrap();
    look_twice(&mut watcher, "in-place");
    assert!(serves(&watcher, "renamed"));

    fs::remove_file(policy.file()).unwrap();
    look_twice(&mut watcher, "renamed");
    assert!(serves(&watcher, "renamed"));
    policy.write("back");
    look_twice(&mut watcher, "renamed");
    assert!(serves(&watcher, "back"));
}

/// As Kubernetes mounts a ConfigMap: the file is a link through a link, and the second is moved.
#[cfg(unix)]
#[test]
fn a_link_that_is_moved_to_other_files_is_seen() {
    use std::os::unix::fs::symlink;
    let policy = Policy::new("links");
    for name in ["one", "two"] {
        fs::create_dir(policy.folder.join(name)).unwrap();
        fs::write(
            policy.folder.join(name).join("palisade.toml"),
            version(name),
        )
        .unwrap();
    }
    symlink("one", policy.folder.join("..data")).unwrap();
    symlink("..data/palisade.toml", policy.file()).unwrap();
    let mut watcher = policy.watcher();

    symlink("two", policy.folder.join("..data_tmp")).unwrap();
    fs::rename(
        policy.folder.join("..data_tmp"),
        policy.folder.join("..data"),
    )
    .unwrap();
    look_twice(&mut watcher, "one");
    assert!(serves(&watcher, "two"));
}

#[test]
fn what_is_still_being_written_is_not_loaded() {
    let policy = Policy::new("writing");
    policy.write("one");
    let mut watcher = policy.watcher();
    let whole = version("two");
    for written in 0..whole.len() {
        fs::write(policy.file(), &whole.as_bytes()[..written]).unwrap();
        watcher.look();
    }
    // As before after all.
    policy.write("one");
    watcher.look();
    watcher.look();
    assert_eq!(policy.loads(), 1);
}

#[test]
fn a_refused_version_is_tried_again_when_something_changes() {
    let policy = Policy::new("refused");
    policy.write("one");
    let mut watcher = policy.watcher();
    let broken = format!(
        "{}[jwt.main]\nissuer = \"i\"\naudience = \"a\"\nsecret = \"file:key\"\n",
        version("two")
    );
    fs::write(policy.file(), broken).unwrap();
    for _ in 0..5 {
        watcher.look();
    }
    assert_eq!(policy.loads(), 2);
    assert!(serves(&watcher, "one"));

    // The key that was missing; then another one.
    for (loads, key) in [
        (3, "0123456789abcdef0123456789abcdef"),
        (4, "fedcba9876543210fedcba9876543210"),
    ] {
        fs::write(policy.folder.join("key"), key).unwrap();
        for _ in 0..5 {
            watcher.look();
        }
        assert_eq!(policy.loads(), loads);
        assert!(serves(&watcher, "two"));
    }
}

#[test]
fn a_program_that_panics_over_a_version_does_not_end_the_watch() {
    let policy = Policy::new("panics");
    policy.write("one");
    let palisade = Palisade::load(policy.file(), |policy| {
        assert_ne!(policy.scopes, ["two"]);
        policy
    });
    let mut watcher = Watcher::new(palisade.unwrap());
    policy.write("two");
    look_twice(&mut watcher, "one");
    policy.write("three");
    look_twice(&mut watcher, "one");
    assert!(serves(&watcher, "three"));
}

#[cfg(unix)]
#[test]
fn sighup_loads_at_once_and_a_dropped_watch_ends_at_once() {
    let policy = Policy::new("sighup");
    policy.write("one");
    let hour = Duration::from_secs(3600);
    let watch = Watch::every(hour, policy.load()).unwrap();
    for loads in 2..5 {
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        let start = Instant::now();
        while policy.loads() < loads {
            assert!(start.elapsed() < Duration::from_secs(120), "no reload");
            thread::sleep(Duration::from_millis(5));
        }
    }
    drop(watch);
    signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
    assert_eq!(policy.loads(), 4);
}
