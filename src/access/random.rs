//! Random texts, and numbers, in base 62: letters and digits need no escape anywhere.

use crate::model::secret::Secret;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Length of a random secret. 62 to the power of 43 is more than 2 to the power of 256.
pub const SECRET_LENGTH: usize = 43;

/// A secret of 256 random bits.
pub fn secret() -> Secret {
    let mut text = String::with_capacity(SECRET_LENGTH);
    let mut bytes = [0; 64];
    while text.len() < SECRET_LENGTH {
        getrandom::fill(&mut bytes).expect("the system has random bytes, or nothing is secret");
        // Six bits are a digit. 62 and 63 are thrown away, so that each digit is equally likely.
        let digits = bytes
            .iter()
            .filter_map(|byte| DIGITS.get(usize::from(byte & 63)));
        let missing = SECRET_LENGTH - text.len();
        text.extend(digits.take(missing).map(|digit| char::from(*digit)));
    }
    Secret::new(text)
}

/// A number with leading zeros. `width` must have room for it.
pub fn encode(mut number: u128, width: usize) -> String {
    let mut digits = vec!['0'; width];
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(number % 62).expect("it is below 62");
        *digit = char::from(DIGITS[value]);
        number /= 62;
    }
    digits.into_iter().collect()
}

/// The number of a text; none for another character or a number beyond 128 bits.
pub fn decode(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |number, byte| {
        let value = DIGITS.iter().position(|digit| *digit == byte)?;
        number.checked_mul(62)?.checked_add(value as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn secrets_differ_and_use_every_digit() {
        let secrets: BTreeSet<String> = (0..200).map(|_| secret().expose().to_owned()).collect();
        assert_eq!(secrets.len(), 200);
        assert!(secrets.iter().all(|text| text.len() == SECRET_LENGTH));
        let used: BTreeSet<u8> = secrets.iter().flat_map(|text| text.bytes()).collect();
        let digits: BTreeSet<u8> = DIGITS.iter().copied().collect();
        assert_eq!(used, digits);
    }

    #[test]
    fn a_number_comes_back_from_its_text() {
        for number in [0, 1, 61, 62, u128::from(u64::MAX), u128::MAX] {
            let text = encode(number, 22);
            assert_eq!((text.len(), decode(&text)), (22, Some(number)));
        }
        assert_eq!(decode("zzzzzzzzzzzzzzzzzzzzzz"), None, "beyond 128 bits");
        assert_eq!((decode("-1"), decode("ä")), (None, None));
    }
}
