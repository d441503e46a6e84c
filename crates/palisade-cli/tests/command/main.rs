//! The real binary, started as a person or a script would start it.

mod check;
mod explain;
mod folder;
mod help;
mod jwks;
mod key;
mod password;
mod token;
