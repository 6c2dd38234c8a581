//! Every fire time has an owner: from its instant on it belongs to the version of the job that
//! named it, until it is taken or recorded, after any command on the job.

mod closed;
mod done;
mod jittery;
mod oracle;
mod passed;
mod paused;
mod random;
mod requests;
