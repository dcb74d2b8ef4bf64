//! An item the centre cannot keep does not stop the line: after three tries both ends keep it
//! aside, the rest goes on, and a person sends it again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, free_port};

const PATIENCE: Duration = Duration::from_secs(60);
/// What a gateway of a later version may have left in the outbox.
const STRANGE: &str = r#"{"item":"from-a-later-version","text":"宽带办理"}"#;

/// Waits until everything is sent and so many items are set aside.
async fn level_with(manager: &Account, set_aside: u64) {
    until("the line goes on", PATIENCE, async || {
        let floor: Result<Value, _> = manager.get("/api/v1/floor").await;
        let floor = floor.map_err(|error| error.to_string())?;
        let uplink = &floor["freshness"]["uplink"];
        let is_level = uplink["connected"] == true && uplink["backlog"] == 0;
        seen(
            is_level && uplink["set_aside"] == set_aside,
            uplink.to_string(),
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_kept_at_both_ends_and_the_rest_goes_on() {
    let folder = Folder::new("aside");
    let mut centre = Centre::start(folder.path(), None).await;
    let hall = Hall::prepare(folder.path(), "aside-hall", &[], |config| {
        let web = format!("127.0.0.1:{}", free_port().unwrap());
        config["web"]["listen"] = web.into();
    })
    .await;
    centre.enrol(&hall).await;
    let (mut running, manager) = hall.open().await;
    level_with(&manager, 0).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);

    let database = rusqlite::Connection::open(hall.program.data.join("hall.db")).unwrap();
    let number = "update federation_line set given = given + 1 where lane = 'history'
         returning given";
    let seq: i64 = database.query_row(number, [], |row| row.get(0)).unwrap();
    let row = "insert into federation_outbox (lane, seq, created_ms, body)
         values ('history', ?1, 0, ?2)";
    database.execute(row, (seq, STRANGE)).unwrap();
    drop(database);

    // The profile stands behind it in line.
    running = hall.start().await;
    let started = Instant::now();
    level_with(&manager, 1).await;
    println!("the line went on after {:?}", started.elapsed());
    let data = folder.path().join("centre/data");
    let kept = |sql: &str| Copied::of(&data, "central.db").one::<i64>(sql);
    let letters = "select count(*) from intake_dead_letter where tries = 3 and set_aside = 1";
    assert_eq!(kept(letters), 1);

    let path = "/api/v1/uplink/set-aside";
    let aside: Value = manager.get(path).await.unwrap();
    let item = &aside["items"][0];
    assert_eq!(item["body"], STRANGE);
    assert!(item["reason"].as_str().unwrap().contains("unknown variant"));
    // The centre is as old as before, so it comes back once more.
    let again = format!("{path}/{}/send-again", item["id"]);
    let _: Value = manager.post(&again, &json!({})).await.unwrap();
    until("it is refused again", PATIENCE, async || {
        let aside: Result<Value, _> = manager.get(path).await;
        let items = aside.map_err(|error| error.to_string())?["items"].clone();
        seen(
            items.as_array().is_some_and(|items| items.len() == 2),
            items.to_string(),
        )
    })
    .await;
    level_with(&manager, 1).await;
    assert_eq!(kept(letters), 2);
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    assert_eq!(centre.running.stop().await.unwrap(), Ended::Cleanly);
}
