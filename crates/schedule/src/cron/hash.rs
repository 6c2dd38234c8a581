//! `H`: a number that depends on the job, so thousands of "hourly" jobs do not all run at minute 0.
//!
//! The number is a hash of the job's id and the column's name. The hash is defined in the file, not
//! by a crate: every node and every later version must compute the same number.

use uuid::Uuid;

/// Offset basis and prime of FNV-1a with 64 bits.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
/// A factor of the finalizer of MurmurHash3: the low bits of FNV alone are not evenly distributed.
const MURMUR_FACTOR: u64 = 0xff51_afd7_ed55_8ccd;

/// The seed of the numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seed<'a> {
    /// The id of the job.
    Job(Uuid),
    /// The text of the expression, if there is no job: in a preview.
    Text(&'a str),
}

impl Seed<'_> {
    /// A number below `width`, which must not be 0.
    pub fn pick(self, column: &str, width: u32) -> u32 {
        let hash = match self {
            Self::Job(id) => fnv(fnv(FNV_BASIS, id.as_bytes()), column.as_bytes()),
            Self::Text(text) => fnv(fnv(FNV_BASIS, text.as_bytes()), column.as_bytes()),
        };
        let mixed = (hash ^ (hash >> 33)).wrapping_mul(MURMUR_FACTOR);
        u32::try_from((mixed ^ (mixed >> 33)) % u64::from(width)).unwrap_or(0)
    }
}

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_job_gets_the_same_number_for_ever() {
        let job = Seed::Job(Uuid::from_u128(0x0191_f0a2_7c3e_7000_8000_0000_0000_0001));
        let numbers = ["seconds", "minutes", "hours"].map(|column| job.pick(column, 60));
        assert_eq!(numbers, [11, 40, 1], "jobs in databases rely on these");
        assert_eq!(Seed::Text("H * * * *").pick("minutes", 60), 21);
    }

    #[test]
    fn jobs_are_spread_evenly() {
        let mut minutes = [0_u32; 60];
        for job in 0..60_000 {
            let minute = Seed::Job(Uuid::from_u128(job)).pick("minutes", 60);
            minutes[usize::try_from(minute).expect("below 60")] += 1;
        }
        assert!(
            minutes.iter().all(|count| (850..1_150).contains(count)),
            "{minutes:?}"
        );
    }
}
