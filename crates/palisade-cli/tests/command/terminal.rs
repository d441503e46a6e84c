//! At a real terminal: `script` of util-linux makes one.

use crate::folder::{Folder, search_path};
use std::{
    io::{ErrorKind, Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

#[test]
fn a_new_password_is_typed_twice_and_never_shows() {
    let folder = Folder::new();
    // A terminal that edits lines itself would cut one of this length off.
    let password = "swordfish".repeat(600);
    let Some(mut terminal) = Terminal::run(&folder, "palisade password hash") else {
        return;
    };
    terminal.keys_unseen("password: ", &format!("{password}\n"));
    terminal.keys_unseen("password again: ", &format!("{password}\n"));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("swordfish"), "{screen}");
    let hash = screen.lines().find(|line| line.starts_with("$argon2id$"));
    folder.write("hash.txt", hash.unwrap());
    let verify = ["password", "verify", "--hash-file", "hash.txt"];
    folder.run_with(&verify, &password).expect(0);

    let Some(mut terminal) =
        Terminal::run(&folder, "palisade password verify --hash-file hash.txt")
    else {
        return;
    };
    terminal.keys_unseen("password: ", "swordfish\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
}

#[test]
fn a_slip_is_noticed() {
    let folder = Folder::new();
    let Some(mut terminal) = Terminal::run(&folder, "palisade password hash") else {
        return;
    };
    terminal.keys_unseen("password: ", "swordfish\n");
    terminal.keys_unseen("password again: ", "swordfihs\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(3), "{screen}");
    assert!(screen.contains("typed differently"), "{screen}");
    assert!(!screen.contains("swordfi"), "{screen}");
}

#[test]
fn typed_headers_do_not_show() {
    let folder = Folder::furnished();
    let explain = "palisade explain palisade.toml --path /items/7 --headers-file -";
    let Some(mut terminal) = Terminal::run(&folder, explain) else {
        return;
    };
    let token = folder.read("token.txt");
    terminal.keys_unseen("ctrl-d:\r\n", &format!("authorization: Bearer {token}"));
    // One key may come too early to count. None comes once all has been read: `script` would wait for somebody to take it.
    let mut polls = 0;
    terminal.wait_until("it has read enough", |own| {
        if polls % 50 == 0 && !own.screen().contains("GET /items/7") {
            own.keys("\x04");
        }
        polls += 1;
        own.screen().contains("GET /items/7")
    });
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(
        screen.contains("alice") && !screen.contains(token.trim()),
        "{screen}"
    );
}

/// A shell line that runs at a terminal of its own.
struct Terminal {
    script: Child,
    reader: JoinHandle<()>,
    /// All that showed.
    screen: Arc<Mutex<Vec<u8>>>,
    /// Such as `/dev/pts/3`.
    device: String,
}

impl Terminal {
    /// Runs the line once it is clear that this terminal shows what is typed. `None` where there is nothing to make a
    /// terminal with.
    fn run(folder: &Folder, line: &str) -> Option<Self> {
        let script = Command::new("script")
            .args(["--quiet", "--return", "--echo", "always", "--command"])
            .args([&format!("tty; read ignored; {line}"), "/dev/null"])
            .env("PATH", search_path())
            .env("SHELL", "/bin/sh")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut script = match script {
            Err(why) if why.kind() == ErrorKind::NotFound => {
                eprintln!("not run: there is no `script` of util-linux to make a terminal");
                return None;
            }
            script => script.unwrap(),
        };
        let screen = Arc::<Mutex<Vec<u8>>>::default();
        let (mut output, shown) = (script.stdout.take().unwrap(), Arc::clone(&screen));
        let reader = thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        let mut terminal = Self {
            script,
            reader,
            screen,
            device: String::new(),
        };
        terminal.wait_until("it has a name", |own| own.screen().contains('\n'));
        let device = terminal.screen();
        terminal.device = device.lines().next().unwrap().trim().to_owned();
        terminal.keys("visible\n");
        terminal.wait_until("typing shows", |own| own.screen().contains("visible"));
        Some(terminal)
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Types these keys once the prompt is there and nothing shows any more.
    fn keys_unseen(&mut self, prompt: &str, keys: &str) {
        self.wait_until(prompt, |own| own.screen().ends_with(prompt));
        self.wait_until("typing is hidden", |own| {
            let stty = Command::new("stty")
                .args(["-F", &own.device, "-a"])
                .output();
            let settings = String::from_utf8(stty.unwrap().stdout).unwrap();
            settings.split_whitespace().any(|word| word == "-echo")
        });
        self.keys(keys);
    }

    fn keys(&mut self, keys: &str) {
        let mut keyboard = self.script.stdin.as_ref().unwrap();
        // Whoever has read enough may be gone already.
        let _ = keyboard.write_all(keys.as_bytes());
    }

    #[track_caller]
    fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(120),
                "never: {what}: {}",
                self.screen()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The exit code, and all that showed.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.script.wait().unwrap().code();
        self.reader.join().unwrap();
        let shown = String::from_utf8(std::mem::take(&mut self.screen.lock().unwrap()));
        (code, shown.unwrap())
    }
}
