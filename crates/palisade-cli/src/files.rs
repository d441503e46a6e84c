//! Files that are written: whole or not at all, and never over another one by accident.

use crate::answer::Failure;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone: it holds a secret.
    Owner,
    /// Everybody whom the system's defaults let.
    All,
}

/// Writes a new file; an existing one is replaced only with `force`.
pub(crate) fn write(path: &Path, text: &str, readers: Readers, force: bool) -> Result<(), Failure> {
    let failed = |why: io::Error| match why.kind() {
        io::ErrorKind::AlreadyExists => Failure::Outside(format!(
            "{} is there already; choose another name, or --force to replace it",
            path.display()
        )),
        _ => Failure::Outside(format!("{} cannot be written: {why}", path.display())),
    };
    if !force {
        return create(path, text, readers).map_err(failed);
    }
    // Beside it first: a reader finds the old file or the new one, never a part.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    create(&beside, text, readers)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(failed)
}

fn create(path: &Path, text: &str, readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
