//! The tree of case files, as it runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::corpus;
use crate::model::{CaseInfo, File, Mistake};
use crate::reader::Reader;

/// All case files, read and checked.
#[derive(Debug)]
pub struct Suite {
    pub(crate) files: Vec<File>,
}

impl Suite {
    /// Reads every `*.toml` under `root`; policies lie in `root/policies`.
    ///
    /// # Errors
    /// The mistakes of all files, each with file and line.
    pub fn read(root: &Path) -> Result<Self, Vec<Mistake>> {
        let mut paths = Vec::new();
        find(root, &mut paths).map_err(|error| vec![Mistake::unreadable(root, &error)])?;
        let (mut files, mut mistakes) = (Vec::new(), Vec::new());
        for path in paths {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            if name.starts_with("policies") {
                continue;
            }
            let name = name.to_string_lossy().replace('\\', "/");
            match Reader::open(root, &path).and_then(|reader| reader.read(name)) {
                Ok(file) => files.push(file),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() {
            Ok(Self { files })
        } else {
            Err(mistakes)
        }
    }

    /// Keeps only the cases for which `keep` is true. The cases of a file run in order on one server, so those that stay
    /// find it as if the others had never run.
    pub fn retain(&mut self, mut keep: impl FnMut(&CaseInfo<'_>) -> bool) {
        for file in &mut self.files {
            let cases = file.cases.iter();
            let kept: Vec<bool> = cases.map(|case| keep(&case.info(file))).collect();
            let mut kept = kept.into_iter();
            file.cases.retain(|_| kept.next().unwrap_or(true));
        }
        self.files.retain(|file| !file.cases.is_empty());
    }

    /// How many cases there are, with every value of `each` counted.
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.cases.len()).sum()
    }

    /// Whether there are no cases.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The folder of the cases in this repository.
pub fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The cases of this repository, those of the path corpus and of the fields that no handler sees included.
///
/// # Errors
/// The mistakes in case files, one a line.
pub fn suite() -> Result<Suite, String> {
    let listed = |mistakes: Vec<Mistake>| {
        let lines = mistakes.iter().map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    };
    let mut suite = Suite::read(&cases()).map_err(listed)?;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/paths.toml");
    let paths = corpus::read(&corpus).map_err(|mistake| listed(vec![mistake]))?;
    suite.files.push(paths);
    suite.files.push(corpus::claims());
    Ok(suite)
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::App;

    #[test]
    fn the_cases_of_this_repository_can_be_read() {
        assert_eq!(suite().err(), None);
    }

    #[test]
    fn cases_may_be_left_out() {
        let mut suite = suite().unwrap();
        let all = suite.len();
        suite.retain(|case| case.app == App::Demo && !case.name.contains('['));
        assert!((1..all).contains(&suite.len()));
        assert!(
            suite
                .files
                .iter()
                .all(|file| file.app == App::Demo && !file.cases.is_empty())
        );
        suite.retain(|_| false);
        assert!(suite.is_empty());
    }
}
