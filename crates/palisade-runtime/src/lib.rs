//! What runs beside a server that Palisade guards.
