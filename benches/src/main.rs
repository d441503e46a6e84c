//! Palisade measured beside the stacks that users would pick today, on axum, actix-web and poem, in one run.

#![allow(clippy::expect_used, reason = "a benchmark that goes wrong stops at once")]
#![allow(clippy::panic)]

mod drive;
mod measure;
mod peers;
mod rows;
mod tokens;

use std::rc::Rc;
use rows::*;

fn build(runtime: &Rc<tokio::runtime::Runtime>, subject: Subject) -> Option<measure::Stack> {
    Some(match (subject.framework, subject.side) {
        (_, Side::Ours) => return None,
        (Framework::Axum, _) => drive::axum::stack(runtime, subject, peers::axum::app(subject.row)),
        (Framework::Actix, _) => peers::actix::stack(runtime, subject),
        (Framework::Poem, _) => peers::poem::stack(runtime, subject),
    })
}

fn main() {
    let runtime = Rc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    let (subjects, mut stacks): (Vec<_>, Vec<_>) = Subject::all().into_iter().filter_map(|s| build(&runtime, s).map(|k| (s, k))).unzip();
    for (s, c) in subjects.iter().zip(measure::measure(&mut stacks, 101)) { println!("{} {:?}", s.id(), c); }
}
