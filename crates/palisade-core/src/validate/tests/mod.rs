use std::borrow::Cow;

use super::*;

mod hostile;
mod rule_names;
mod shapes;
mod text;

fn read<T: DeserializeOwned + Validate + 'static>(body: &str) -> Result<T, Invalid> {
    json(
        Some(b"application/json"),
        None,
        body.as_bytes(),
        &JsonLimits::default(),
    )
}

/// Kind and errors of a refused body; the errors as `place code`.
fn refused<T: DeserializeOwned + Validate + 'static>(body: &str) -> (InvalidKind, Vec<String>) {
    listed(
        read::<T>(body)
            .err()
            .unwrap_or_else(|| panic!("accepted: {body}")),
    )
}

fn listed(invalid: Invalid) -> (InvalidKind, Vec<String>) {
    let errors = invalid
        .errors
        .iter()
        .map(|error| {
            let place = match &error.place {
                Place::Pointer(pointer) => pointer.clone(),
                Place::Query(name) => format!("query:{name}"),
                Place::Path(name) => format!("path:{name}"),
                Place::Form(name) => format!("form:{name}"),
            };
            format!("{place} {}", error.code)
        })
        .collect();
    (invalid.kind, errors)
}

/// The broken rules of a body, as `pointer code`.
fn broken<T: DeserializeOwned + Validate + 'static>(body: &str) -> Vec<String> {
    let (kind, errors) = refused::<T>(body);
    assert_eq!(kind, InvalidKind::Failed, "{body}: {errors:?}");
    errors
}

fn pairs<'a>(of: &[(&'a str, &'a str)]) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    of.iter()
        .map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value)))
        .collect()
}
