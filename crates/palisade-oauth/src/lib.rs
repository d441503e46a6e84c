//! Palisade as a client of other people's authorization servers.
