//! A model of the lease protocol.
