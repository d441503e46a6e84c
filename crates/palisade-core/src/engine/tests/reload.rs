//! A policy replaced while it serves.

use super::*;
use crate::{Limit, LimitKey, all_of, role};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

fn open_to_all(path: &str) -> Policy {
    Policy::builder().rule(Rule::new(path).require(public()))
}

/// A folder of the test's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("palisade-reload-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn names(files: Vec<PathBuf>) -> Vec<String> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| name(path)).collect()
}

#[test]
fn a_request_finishes_under_the_version_it_was_opened_under() {
    let events = Arc::new(Events::default());
    let told = |policy: Policy| {
        policy
            .custom_scheme(Told::new(true))
            .with_audit(events.clone())
    };
    let admins = Policy::builder().role("admin", ["all"]);
    let palisade = told(admins.rule(Rule::new("/closed").require(authenticated())));
    let palisade = palisade.build().unwrap();
    let mut slow = palisade.open(&get("/closed", &[("x-told", "alice")]));
    assert!(poll(&mut slow).is_none());

    palisade.replace(told(open_to_all("/open"))).unwrap();
    assert_eq!(status_of(&palisade, &get("/open", &[])), 200);
    assert_eq!(status_of(&palisade, &get("/closed", &[])), 404);

    let Some(Verdict::Admit(admission)) = poll(&mut slow) else {
        panic!("its own version lets alice pass")
    };
    // A layer inside of the layer, and a guard, after the policy was replaced.
    assert!(admission.grant.is_from(&palisade));
    assert!(!admission.grant.is_from(&open_to_all("/").build().unwrap()));
    assert!(admission.grant.require(&authenticated()).is_ok());
    let admin = all_of([authenticated(), role("admin")]);
    assert!(admission.grant.require(&admin).is_err());
    assert_eq!(admission.grant.rule(), Some("/closed"));
}

#[test]
fn limits_go_on_unless_they_have_changed() {
    let limited = |name: &str, quota: &str, path: &str| {
        open_to_all(path).limit(Limit::new(name, quota).everywhere())
    };
    let palisade = limited("two", "2/hour", "/a").build().unwrap();
    let status = |path| status_of(&palisade, &get(path, &[]));
    assert_eq!([status("/a"), status("/a"), status("/a")], [200, 200, 429]);
    // Another rule, the same limit: two more versions later it still counts.
    for _ in 0..2 {
        palisade.replace(limited("two", "2/hour", "/b")).unwrap();
        assert_eq!(status("/b"), 429);
    }
    // What is refused changes nothing.
    assert!(palisade.replace(limited("two", "0/hour", "/b")).is_err());
    assert_eq!(status("/b"), 429);
    for changed in [
        limited("two", "1/hour", "/b"),
        limited("other", "1/hour", "/b"),
        open_to_all("/b").limit(
            Limit::new("other", "1/hour")
                .by(LimitKey::Global)
                .everywhere(),
        ),
    ] {
        palisade.replace(changed).unwrap();
        assert_eq!([status("/b"), status("/b")], [200, 429]);
    }
}

#[test]
fn the_clock_stays_so_that_times_of_limits_keep_their_meaning() {
    let hour = 3_600_000_000_000;
    let clock = Arc::new(Ticks(AtomicU64::new(100 * hour)));
    let limited = || open_to_all("/").limit(Limit::new("one", "1/hour").everywhere());
    let palisade = limited().with_clock(clock.clone()).build().unwrap();
    assert_eq!(status_of(&palisade, &get("/", &[])), 200);
    palisade.replace(limited()).unwrap();
    assert_eq!(status_of(&palisade, &get("/", &[])), 429);
    clock.0.fetch_add(hour, Relaxed);
    assert_eq!(status_of(&palisade, &get("/", &[])), 200);
}

#[test]
fn a_file_is_loaded_again_or_refused_whole() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let folder = Folder::new("files");
    let policy = |path: &str, secret: &str| {
        let text = format!(
            "[jwt.main]\nissuer = \"i\"\naudience = \"a\"\nsecret = \"file:{secret}\"\n\
             [[rule]]\npath = \"{path}\"\nrequire = \"public\"\n"
        );
        folder.write("palisade.toml", &text)
    };
    folder.write("one.key", SECRET);
    let file = policy("/a", "one.key");
    let palisade = Palisade::load(&file, |policy| {
        policy.rule(Rule::new("/from-rust").require(public()))
    });
    let palisade = palisade.unwrap();
    let status = |path| status_of(&palisade, &get(path, &[]));
    assert_eq!(names(palisade.files()), ["one.key", "palisade.toml"]);

    // The same words: named the same.
    let reloaded = palisade.reload().unwrap();
    assert_eq!(reloaded.before, reloaded.after);

    // A file that does not exist yet is one to watch as well.
    policy("/b", "two.key");
    let why = palisade.reload().unwrap_err().to_string();
    assert!(why.contains("jwt.main.secret"), "{why}");
    assert_eq!([status("/a"), status("/b")], [200, 404]);
    assert_eq!(
        names(palisade.files()),
        ["one.key", "palisade.toml", "two.key"]
    );

    folder.write("two.key", SECRET);
    let reloaded = palisade.reload().unwrap();
    assert_ne!(reloaded.before, reloaded.after);
    assert_eq!(
        [status("/a"), status("/b"), status("/from-rust")],
        [404, 200, 200]
    );
    assert_eq!(names(palisade.files()), ["palisade.toml", "two.key"]);

    fs::remove_file(&file).unwrap();
    assert!(palisade.reload().is_err());
    assert_eq!(status("/b"), 200);
    assert_eq!(names(palisade.files()), ["palisade.toml", "two.key"]);
}

#[test]
fn certificates_are_read_from_the_folder_of_the_policy() {
    let folder = Folder::new("ca");
    let file = folder.write("palisade.toml", "[outgoing]\nca = \"file:ca.pem\"\n");
    let why = Palisade::from_file(&file).unwrap_err().to_string();
    assert!(why.contains("palisade.toml:2: outgoing.ca"), "{why}");
    folder.write("ca.pem", "pem");
    let palisade = Palisade::from_file(&file).unwrap();
    assert_eq!(names(palisade.files()), ["ca.pem", "palisade.toml"]);
}

#[test]
fn what_came_from_no_file_cannot_be_loaded_again() {
    let palisade = open_to_all("/").build().unwrap();
    let why = palisade.reload().unwrap_err().to_string();
    assert!(why.contains("came from no file"), "{why}");
    assert!(palisade.files().is_empty());
}

#[test]
fn a_thousand_versions_under_load_answer_right_and_leave_nothing_behind() {
    let version = |path| open_to_all(path).rule(Rule::new("/always").require(public()));
    let palisade = version("/a").build().unwrap();
    let (stop, start) = (AtomicBool::new(false), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                start.wait();
                while !stop.load(Relaxed) {
                    assert_eq!(status_of(&palisade, &get("/always", &[])), 200);
                    let either = status_of(&palisade, &get("/a", &[]));
                    assert!(either == 200 || either == 404);
                }
            });
        }
        start.wait();
        for round in 0..1000 {
            palisade.replace(version(["/b", "/a"][round % 2])).unwrap();
        }
        stop.store(true, Relaxed);
    });
    // The one that serves, and the handle of this line.
    let current = palisade.current();
    assert_eq!(Arc::strong_count(&current), 2);
    assert_eq!(Arc::strong_count(&current.lineage), 1);
}

/// A warning is no mistake: the policy serves, and a later version without its cause has none.
#[test]
fn a_version_has_its_own_warnings() {
    let palisade = Policy::builder().build().unwrap();
    let warnings = palisade.warnings();
    assert!(
        warnings[0].message.contains("add a [[rule]]"),
        "{warnings:?}"
    );
    palisade.replace(open_to_all("/")).unwrap();
    assert_eq!(palisade.warnings(), []);
}
