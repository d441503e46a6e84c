//! Reading a table of the policy file, with every mistake collected.
use std::marker::PhantomData;

/// A table of the policy file.
#[derive(Debug)]
pub struct Section<'a, 'i>(PhantomData<(&'a (), &'i ())>);
