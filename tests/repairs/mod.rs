//! Repairs: broken states are put right, a slice of the jobs at a time.

mod fixed_delays;
mod retries;
mod slices;
mod states;
