//! Which instants a schedule names, by brute force: every second of a window is
//! held against the fields. Slow, obvious, and none of Horolog's own code.
