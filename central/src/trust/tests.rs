use std::sync::Arc;

use zhiban_kernel::Clock;
use zhiban_kernel::authority::{Authority, member_request, new_member_key};
use zhiban_vocabulary::enrolment::{EnrolRequest, EnrolmentCode, RenewRequest, Secret};

use super::*;
use crate::tests::{Folder, Make, on_both};

async fn open(folder: &Folder) -> Trust {
    let authority = Authority::open(&folder.path().join("authority.pem"), "centre").unwrap();
    let doors = vec!["centre.example:7443".to_owned()];
    Trust::open(folder.store(), Arc::new(authority), doors, folder.path())
        .await
        .unwrap()
}

fn asks(store: &str, secret: &Secret, key: &str) -> EnrolRequest {
    EnrolRequest {
        store: store.parse().unwrap(),
        secret: secret.to_hex(),
        request: member_request(key).unwrap(),
    }
}

async fn code(trust: &Trust, store: &str) -> EnrolmentCode {
    let store = store.parse().unwrap();
    let (code, _) = trust.new_code(&store, "1001", "10.0.0.9").await.unwrap();
    assert!(code.is_of(&trust.authority().digest()));
    code
}

fn keys(trust: &Trust, store: &str) -> usize {
    trust.members().keys_of(&store.parse().unwrap()).len()
}

async fn a_code_lets_one_hall_in_once_and_the_next_box_takes_its_place(make: Make) {
    let folder = Folder::on(make);
    let trust = open(&folder).await;
    let key = new_member_key().unwrap();
    let first = code(&trust, "wola").await;
    let wrong = Secret([0; 7]);
    for asked in [
        asks("wola", &wrong, &key),
        asks("mokotow", &first.secret, &key),
    ] {
        let refused = trust.enrol(asked, "10.0.0.1".into()).await;
        assert!(matches!(refused, Err(TrustError::Code)), "{refused:?}");
    }
    let enrol = async |secret: &Secret, key: &str| {
        trust
            .enrol(asks("wola", secret, key), "10.0.0.1".into())
            .await
    };
    let member = enrol(&first.secret, &key).await.unwrap();
    assert_eq!(member.doors, ["centre.example:7443"]);
    assert_eq!(keys(&trust, "wola"), 1);
    enrol(&first.secret, &key)
        .await
        .expect("its answer was lost");
    let other = new_member_key().unwrap();
    let again = enrol(&first.secret, &other).await;
    assert!(matches!(again, Err(TrustError::Code)), "{again:?}");
    // A box that replaces it comes with a code of its own.
    let next = code(&trust, "wola").await;
    enrol(&next.secret, &other).await.unwrap();
    let own = trust.members().keys_of(&"wola".parse().unwrap());
    assert_eq!(own.len(), 1, "the box before is shut out");
    // Another process on the same database sees the same.
    assert_eq!(keys(&open(&folder).await, "wola"), 1);
}

async fn a_member_renews_and_one_that_was_shut_out_does_not(make: Make) {
    let folder = Folder::on(make);
    let trust = open(&folder).await;
    let (key, next) = (new_member_key().unwrap(), new_member_key().unwrap());
    let secret = code(&trust, "wola").await.secret;
    let member = trust
        .enrol(asks("wola", &secret, &key), "10.0.0.1".into())
        .await
        .unwrap();
    let shown = digest_of(&member.certificate);
    let renew = async |shown: &Digest, key: &str| {
        let request = member_request(key).unwrap();
        let asked = RenewRequest { request };
        trust.renew(shown, &asked, "10.0.0.1".into()).await
    };
    let renewed = renew(&shown, &next).await.unwrap();
    assert_eq!(keys(&trust, "wola"), 2, "what is on its way counts");
    assert_ne!(renewed.certificate, member.certificate);
    let store = "wola".parse().unwrap();
    assert!(trust.revoke(&store, "stolen", "1001", "-").await.unwrap());
    assert!(!trust.revoke(&store, "stolen", "1001", "-").await.unwrap());
    assert_eq!(keys(&trust, "wola"), 0);
    let again = trust.enrol(asks("wola", &secret, &key), "10.0.0.1".into());
    let again = again.await;
    assert!(
        matches!(again, Err(TrustError::Code)),
        "the code it came with"
    );
    for shown in [shown, digest_of(&renewed.certificate), [1; 32]] {
        let refused = renew(&shown, &next).await;
        assert!(matches!(refused, Err(TrustError::Certificate)));
    }
}

/// A member and the certificate it came with.
async fn member(trust: &Trust, store: &str) -> Digest {
    let (secret, key) = (code(trust, store).await.secret, new_member_key().unwrap());
    let asked = asks(store, &secret, &key);
    let member = trust.enrol(asked, "10.0.0.1".into()).await.unwrap();
    let digest = digest_of(&member.certificate);
    comes_with(trust, &digest).await;
    digest
}

async fn comes_with(trust: &Trust, digest: &Digest) {
    let store = trust.members().store_of(digest).unwrap();
    trust.note_use(digest, &store).await.unwrap();
}

async fn renew(trust: &Trust, shown: &Digest, key: &str) -> Result<Digest, TrustError> {
    let request = member_request(key).unwrap();
    let asked = RenewRequest { request };
    let renewed = trust.renew(shown, &asked, "10.0.0.1".into()).await?;
    Ok(digest_of(&renewed.certificate))
}

async fn a_certificate_counts_until_its_successor_was_used_and_a_month_longer(make: Make) {
    let folder = Folder::on(make);
    let trust = open(&folder).await;
    let [key, other] = [(); 2].map(|()| new_member_key().unwrap());
    let first = member(&trust, "wola").await;
    let end = async |digest: Digest| {
        let rows = trust
            .store
            .read(|c| store::changed_since(c, jiff::Timestamp::UNIX_EPOCH));
        let rows = rows.await.unwrap();
        rows.into_iter()
            .find(|row| row.digest == digest)
            .unwrap()
            .until
    };
    let own = end(first).await;
    // Twice, for the answer is lost, and with another key, for the hall lost its own.
    renew(&trust, &first, &other).await.unwrap();
    renew(&trust, &first, &key).await.unwrap();
    let second = renew(&trust, &first, &key).await.unwrap();
    assert_eq!(end(first).await, own, "nobody came with the second yet");
    assert_eq!(keys(&trust, "wola"), 2, "what was never used is gone");
    comes_with(&trust, &second).await;
    let days = end(first)
        .await
        .duration_since(Clock::real_now())
        .as_hours()
        / 24;
    assert!((29..=30).contains(&days), "{days}");
    // A box that is put back has the first.
    let third = renew(&trust, &first, &other).await.unwrap();
    assert_eq!(keys(&trust, "wola"), 3);
    comes_with(&trust, &third).await;
    assert_eq!(keys(&trust, "wola"), 2, "the last two that were used");
    assert_eq!(trust.members().store_of(&first), None);
    assert!(trust.members().store_of(&second).is_some());
}

async fn a_member_that_renews_without_end_has_few_keys_and_is_told_to_wait(make: Make) {
    let folder = Folder::on(make);
    let trust = open(&folder).await;
    let mut shown = member(&trust, "wola").await;
    let mut given = 0;
    for _ in 0..20 {
        match renew(&trust, &shown, &new_member_key().unwrap()).await {
            Ok(next) => {
                shown = next;
                given += 1;
            }
            Err(error) => assert!(matches!(error, TrustError::Often), "{error}"),
        }
        comes_with(&trust, &shown).await;
        assert!(keys(&trust, "wola") <= 2);
    }
    assert_eq!(given, 8);
    // Others are not held up.
    let other = member(&trust, "ursus").await;
    renew(&trust, &other, &new_member_key().unwrap())
        .await
        .unwrap();
}

async fn a_database_that_was_set_back_keeps_out_who_was_shut_out_and_lets_in_who_joined(
    make: Make,
) {
    let folder = Folder::on(make);
    let trust = open(&folder).await;
    let stolen = member(&trust, "wola").await;
    let joined = member(&trust, "ursus").await;
    let wola = "wola".parse().unwrap();
    assert!(trust.revoke(&wola, "stolen", "1001", "-").await.unwrap());
    // As it was before both.
    let set_back = |tx: &dyn zhiban_kernel::sql::Sql| {
        tx.execute("delete from trust_certificate where store = 'ursus'", &[])?;
        tx.execute("update trust_certificate set revoked_ms = null", &[])
    };
    trust.store.write(set_back).await.unwrap();
    // And the power went while the next line was written.
    let ledger = folder.path().join(zhiban_kernel::backup::TRUST_LEDGER);
    let noted = std::fs::read_to_string(&ledger).unwrap();
    std::fs::write(&ledger, noted + "{\"digest\":\"00").unwrap();
    for _ in 0..2 {
        let again = open(&folder).await;
        assert_eq!(again.members().store_of(&stolen), None);
        assert!(again.members().store_of(&joined).is_some());
        let view = again
            .store
            .read(move |c| store::certificates(c, &"wola".parse().unwrap()));
        assert_eq!(view.await.unwrap()[0].reason.as_deref(), Some("stolen"));
    }
    let new = member(&open(&folder).await, "wola").await;
    assert!(open(&folder).await.members().store_of(&new).is_some());
}

fn digest_of(pem: &str) -> Digest {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    zhiban_kernel::authority::digest(&certificate)
}

async fn a_request_that_is_none_or_of_another_kind_of_key_is_named(make: Make) {
    let folder = Folder::on(make);
    let trust = open(&folder).await;
    let secret = code(&trust, "wola").await.secret;
    let p256 = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let requests = [
        ("nonsense".to_owned(), "PEM"),
        (member_request(&p256).unwrap(), "Ed25519"),
    ];
    for (request, named) in requests {
        let asked = EnrolRequest {
            request,
            ..asks("wola", &secret, &new_member_key().unwrap())
        };
        match trust.enrol(asked, "10.0.0.1".into()).await {
            Err(TrustError::Request(text)) => assert!(text.contains(named), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_guesses_find_nothing() {
    let folder = Folder::on(Make::Sqlite);
    let trust = open(&folder).await;
    let right = code(&trust, "wola").await;
    let request = member_request(&new_member_key().unwrap()).unwrap();
    for guess in 0..100_000_u64 {
        // Near the right one, where a comparison of a part would let it in.
        let mut secret = right.secret.clone();
        for (byte, by) in secret.0.iter_mut().zip((guess + 1).to_le_bytes()) {
            *byte ^= by;
        }
        let asked = EnrolRequest {
            store: "wola".parse().unwrap(),
            secret: secret.to_hex(),
            request: request.clone(),
        };
        let refused = trust.enrol(asked, "10.0.0.1".into()).await;
        assert!(matches!(refused, Err(TrustError::Code)), "{guess}");
    }
    assert_eq!(keys(&trust, "wola"), 0);
}

on_both!(
    a_code_lets_one_hall_in_once_and_the_next_box_takes_its_place,
    a_member_renews_and_one_that_was_shut_out_does_not,
    a_certificate_counts_until_its_successor_was_used_and_a_month_longer,
    a_member_that_renews_without_end_has_few_keys_and_is_told_to_wait,
    a_database_that_was_set_back_keeps_out_who_was_shut_out_and_lets_in_who_joined,
    a_request_that_is_none_or_of_another_kind_of_key_is_named,
);
