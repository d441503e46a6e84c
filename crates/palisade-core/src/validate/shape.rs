//! From a shape that does not fit to the one place where it does not.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Segment, Track};

use super::finite::Finite;
use super::place::{Source, Step};
use super::retry::{Budget, with_member};
use super::tree::{Mistake, Node, Shapes};
use super::{Invalid, InvalidKind, Words};

/// `tree` could not be read as a `T`: finds the first reason.
pub(super) fn explain<T: DeserializeOwned>(tree: &Value, source: Source) -> Invalid {
    let shapes = Shapes::default();
    let (mut steps, mistake) = first_mistake::<T>(tree, &shapes, source)
        // Only a target that reads text and trees differently gets here.
        .unwrap_or((Vec::new(), Mistake::Refused));
    match mistake {
        Mistake::Missing(name) | Mistake::Twice(name) => steps.push(Step::Member(name.to_owned())),
        Mistake::Unknown => {}
        _ => steps.extend(buffered(tree, &steps, &shapes, &|tree| {
            first_mistake::<T>(tree, &Shapes::default(), source).is_none()
        })),
    }
    let (code, detail) = say(mistake);
    Invalid::at(InvalidKind::Failed, source.error(&steps, code, detail))
}

fn first_mistake<T: DeserializeOwned>(
    tree: &Value,
    shapes: &Shapes,
    source: Source,
) -> Option<(Vec<Step>, Mistake)> {
    let mut track = Track::new();
    let root = Node {
        value: tree,
        text: source.is_text(),
        shapes,
    };
    let mistake = T::deserialize(serde_path_to_error::Deserializer::new(
        Finite(root),
        &mut track,
    ))
    .err()?;
    let mut steps = Vec::new();
    for segment in &track.path() {
        match segment {
            Segment::Seq { index } => steps.push(Step::Item(*index)),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                steps.push(Step::Member(key.clone()))
            }
            Segment::Unknown => break,
        }
    }
    Some((steps, mistake))
}

/// Flattened structs and untagged enums are read from a buffer, and `serde` knows no path inside it: looks for the
/// member whose replacement mends the whole.
fn buffered(
    tree: &Value,
    steps: &[Step],
    shapes: &Shapes,
    fits: &dyn Fn(&Value) -> bool,
) -> Option<Step> {
    let object = steps.iter().try_fold(tree, |value, step| match step {
        Step::Member(name) => value.get(name),
        Step::Item(index) => value.get(index),
    })?;
    if shapes.of(object).is_some() {
        return None;
    }
    let mut budget = Budget::for_tree(tree);
    let mut scratch = tree.clone();
    let substitutes = [
        Value::Null,
        "a".into(),
        1.into(),
        true.into(),
        Value::Array(Vec::new()),
        serde_json::json!({}),
    ];
    for name in object.as_object()?.keys() {
        for substitute in &substitutes {
            if !budget.spend() {
                return None;
            }
            let mended = with_member(&mut scratch, steps, name, substitute.clone(), fits)?;
            if mended {
                return Some(Step::Member(name.clone()));
            }
        }
    }
    None
}

fn say(mistake: Mistake) -> (&'static str, Words) {
    match mistake {
        Mistake::Missing(_) => ("missing", "is required".into()),
        Mistake::Unknown => ("unknown_field", "is not known here".into()),
        Mistake::Twice(_) => ("repeated", "is given twice under different names".into()),
        Mistake::WrongType(expected) => ("wrong_type", format!("must be {expected}").into()),
        Mistake::OutOfRange => (
            "out_of_range",
            "is too large, too small or not whole".into(),
        ),
        Mistake::UnknownVariant => ("unknown_variant", "must be one of the known words".into()),
        Mistake::Length => ("wrong_length", "has too few or too many items".into()),
        Mistake::Repeated => ("repeated", "may be given once".into()),
        Mistake::Refused => ("invalid", "is not acceptable".into()),
    }
}
