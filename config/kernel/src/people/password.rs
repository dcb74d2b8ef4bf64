//! Passwords and one-time codes.

use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use rand::RngExt;
use subtle::ConstantTimeEq;

use crate::StoreError;
use crate::runtime::write_atomically;

/// Fewest characters of a password.
pub(super) const LENGTH_MIN: usize = 10;
/// Most characters, so that hashing stays bounded.
const LENGTH_MAX: usize = 200;
/// Letters people do not mistake for each other when reading a code aloud.
const CODE_LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// What people type when a rule asks for ten characters.
const COMMON: [&str; 12] = [
    "1234567890",
    "0123456789",
    "0987654321",
    "qwertyuiop",
    "password123",
    "password12",
    "passw0rd123",
    "administrator",
    "admin12345",
    "zhibanzhiban",
    "qwerty12345",
    "1q2w3e4r5t",
];

/// Why a password is too weak; `None` when it will do.
pub(super) fn weakness(password: &str, staff: &str, name: &str) -> Option<String> {
    let length = password.chars().count();
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
        return Some(format!(
            "expected {LENGTH_MIN} to {LENGTH_MAX} characters, found {length}"
        ));
    }
    let lower = password.to_lowercase();
    let mut letters: Vec<_> = lower.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if COMMON.contains(&lower.as_str()) || letters.len() < 5 {
        return Some("too easy to guess".into());
    }
    let personal = |part: &str| part.chars().count() >= 4 && lower.contains(&part.to_lowercase());
    (personal(staff) || personal(name)).then(|| "must not contain the staff number or name".into())
}

/// Slow on purpose; call off the async workers.
pub(super) fn hash(password: &str) -> Result<String, StoreError> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed
        .map(|hash| hash.to_string())
        .map_err(|error| StoreError::Database(error.to_string()))
}

/// Slow on purpose, and as slow when there is no hash to compare with, so that the time taken
/// does not tell which accounts exist.
pub(super) fn matches(password: &str, hash: Option<&str>) -> bool {
    // Hash of a random password nobody knows, with the parameters of `hash`.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$b4VvAFbGuwd7l3ET0gUfBQ$GL9UTtC3Ajr3a6xKL7RPvCr5AasEIkiW7Wz3pbdg5p0";
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else {
        return false;
    };
    let right = Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok();
    right && hash.is_some()
}

/// A code in groups of four letters, 60 bits.
pub(super) fn random_code() -> String {
    let mut random = rand::rng();
    let mut letter = || char::from(CODE_LETTERS[random.random_range(0..CODE_LETTERS.len())]);
    let mut group = || (0..4).map(|_| letter()).collect::<String>();
    [group(), group(), group()].join("-")
}

/// The code of first boot: the one in the file, or a new one written there.
pub(super) fn setup_code(file: &Path) -> Result<String, StoreError> {
    if let Ok(code) = std::fs::read_to_string(file) {
        return Ok(code.trim().to_owned());
    }
    let code = random_code();
    write_atomically(file, code.as_bytes())
        .map_err(|error| StoreError::Database(format!("{}: {error}", file.display())))?;
    Ok(code)
}

/// Compares codes without telling by time how much was right; case and dashes do not matter.
pub(super) fn same_code(given: &str, right: &str) -> bool {
    let plain = |text: &str| -> Vec<u8> {
        text.bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|b| b.to_ascii_uppercase())
            .collect()
    };
    let (given, right) = (plain(given), plain(right));
    !right.is_empty() && bool::from(given.ct_eq(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_named_as_such() {
        for weak in [
            "short",
            "1234567890",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "my-wangfang-1",
        ] {
            assert!(weakness(weak, "1001", "WangFang").is_some(), "{weak}");
        }
        assert!(weakness("1001-is-my-number", "1001", "王芳").is_some());
        assert_eq!(weakness("correct horse 7", "1001", "王芳"), None);
        assert_eq!(weakness("雨后的石板路很滑小心慢走", "1001", "王芳"), None);
    }

    #[test]
    fn a_hash_matches_only_its_password_and_nobody_matches_nothing() {
        let hashed = hash("correct horse 7").unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        assert!(matches("correct horse 7", Some(&hashed)));
        assert!(!matches("correct horse 8", Some(&hashed)));
        assert!(!matches("", None));
    }

    #[test]
    fn a_code_is_read_kindly() {
        assert!(same_code("abcd efgh-jklm", "ABCD-EFGH-JKLM"));
        assert!(!same_code("", ""));
        assert!(!same_code("ABCD-EFGH-JKLN", "ABCD-EFGH-JKLM"));
        assert_eq!(random_code().len(), 14);
    }
}
