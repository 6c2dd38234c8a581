//! Repairs: broken states are put right, a slice of the jobs at a time.

mod slices;
mod states;
