//! The hash chain: the input of a hash. Pure.

use super::row::AuditRow;
use sha2::{Digest, Sha256};

/// A hash of the chain.
pub type Hash = [u8; 32];

/// The hash before the first row.
pub const BEFORE_FIRST: Hash = [0; 32];

/// The beginning of every input: another form of the content gets another name.
const FORM: &[u8] = b"horolog audit 1";

/// The hash of a row at the place. Each value follows a length, so no text can stand for the end of
/// a value and the beginning of the next.
pub fn hash(row: &AuditRow, position: i64, previous: &[u8]) -> Hash {
    let mut digest = Sha256::new();
    digest.update(FORM);
    let at = row.at.timestamp_micros();
    // Microseconds: the precision of PostgreSQL. A finer instant would differ after the reading.
    for number in [position, row.seq, at] {
        value(&mut digest, Some(&number.to_be_bytes()));
    }
    value(&mut digest, Some(previous));
    value(
        &mut digest,
        row.caller_id.as_ref().map(|id| &id.as_bytes()[..]),
    );
    for text in [
        Some(&row.caller),
        Some(&row.caller_kind),
        row.address.as_ref(),
        Some(&row.action),
        row.object_kind.as_ref(),
        row.object_id.as_ref(),
        row.object_name.as_ref(),
        Some(&row.outcome),
        row.details.as_ref(),
    ] {
        value(&mut digest, text.map(String::as_bytes));
    }
    digest.finalize().into()
}

/// A missing value differs from an empty value.
fn value(digest: &mut Sha256, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            digest.update([1]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        None => digest.update([0]),
    }
}

/// A hash in hexadecimal digits.
pub fn hex(hash: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * hash.len());
    for byte in hash {
        // Writing to a String never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads a hash of 64 hexadecimal digits.
pub fn parse_hex(text: &str) -> Option<Hash> {
    let mut hash = BEFORE_FIRST;
    if text.len() != 2 * hash.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> AuditRow {
        AuditRow {
            seq: 7,
            at: chrono::DateTime::UNIX_EPOCH,
            caller: "ada".to_owned(),
            caller_kind: "USER".to_owned(),
            caller_id: Some(uuid::Uuid::nil()),
            address: Some("10.0.0.1".to_owned()),
            action: "pauseJob".to_owned(),
            object_kind: Some("job".to_owned()),
            object_id: Some("1".to_owned()),
            object_name: Some("nightly".to_owned()),
            outcome: "DONE".to_owned(),
            details: Some("{}".to_owned()),
            position: None,
            previous_hash: None,
            hash: None,
        }
    }

    #[test]
    fn every_value_of_a_row_and_its_place_change_the_hash() {
        let of = |change: fn(&mut AuditRow)| {
            let mut changed = row();
            change(&mut changed);
            hash(&changed, 1, &BEFORE_FIRST)
        };
        let mut hashes = vec![
            of(|_| {}),
            hash(&row(), 2, &BEFORE_FIRST),
            hash(&row(), 1, &[1; 32]),
            of(|row| row.seq = 8),
            of(|row| row.at += chrono::TimeDelta::microseconds(1)),
            of(|row| row.caller.push('x')),
            of(|row| row.caller_kind = "TOKEN".to_owned()),
            of(|row| row.caller_id = None),
            of(|row| row.address = None),
            of(|row| row.action = "deleteJob".to_owned()),
            of(|row| row.object_kind = None),
            of(|row| row.object_id = None),
            of(|row| row.object_id = Some(String::new())),
            of(|row| row.object_name = None),
            of(|row| row.outcome = "REFUSED".to_owned()),
            of(|row| row.details = None),
            // The end of one value and the beginning of the next.
            of(|row| {
                row.object_id = Some("1n".to_owned());
                row.object_name = Some("ightly".to_owned());
            }),
        ];
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = hash(&row(), 1, &BEFORE_FIRST);
        assert_eq!(parse_hex(&hex(&hash)), Some(hash));
        for text in ["", "00", &"é".repeat(32), &"+f".repeat(32)] {
            assert_eq!(parse_hex(text), None, "{text}");
        }
    }
}
