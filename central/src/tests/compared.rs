//! The pages of the comparison against facts that were really sent.

use serde_json::{Value, json};
use zhiban_kernel::sql::Sql;
use zhiban_kernel::values;

use super::routed::Site;
use super::{Make, TestHall, hall_quarter, on_both, profile, queue_quarter, slots};

const DAY: &str = "2020-01-02";

/// A hall that sent `quarters` of its 36 quarter hours, with `issued` tickets in each.
async fn hall(site: &Site, store: &str, grade: &str, quarters: usize, issued: u32) -> TestHall {
    let hall = TestHall::new(store);
    let mut items = vec![profile(&store.to_uppercase(), grade)];
    for slot in slots(DAY, quarters) {
        items.push(queue_quarter(DAY, &slot, 1, issued));
        items.push(hall_quarter(DAY, &slot));
    }
    hall.send(&site.intake, 1, &items).await;
    let beat = hall.beat(1, "2020-01-02T12:05:00Z", 5);
    site.intake.receive(&hall.key(), beat).await.unwrap();
    hall
}

/// A hall owes the whole day only where it was there before.
async fn known_since_yesterday(site: &Site, store: &str) {
    let (store, day_ms) = (store.to_owned(), 86_400_000_i64);
    let sql = "update stores_store set first_seen_ms = first_seen_ms - ?2 where store = ?1";
    let earlier = move |tx: &dyn Sql| tx.execute(sql, values![store, day_ms]).map(drop);
    site.store.write(earlier).await.unwrap();
}

/// A site at 12:07:30 UTC: 20 quarter hours are over and due in Warsaw.
async fn site(make: Make) -> (Site, String) {
    let site = Site::open("2020-01-02T12:07:30Z", make).await;
    let cookie = site.set_up().await;
    (site, cookie)
}

fn row<'v>(comparison: &'v Value, store: &str) -> &'v Value {
    let rows = comparison["rows"].as_array().unwrap();
    rows.iter().find(|row| row["store"] == store).unwrap()
}

async fn figures_come_with_age_and_completeness_and_no_data_is_not_zero(make: Make) {
    let (site, cookie) = site(make).await;
    hall(&site, "wola", "A", 20, 4).await;
    hall(&site, "mokotow", "A", 15, 2).await;
    let silent = TestHall::new("ursus");
    silent.send(&site.intake, 1, &[profile("Ursus", "B")]).await;
    known_since_yesterday(&site, "ursus").await;
    let body = site
        .get("/api/v1/compare?from=2020-01-02&to=2020-01-02", &cookie)
        .await;
    assert_eq!(
        (&body["halls_expected"], &body["halls_complete"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(body["peer_groups"], json!(["A", "B"]));

    let wola = row(&body, "wola");
    assert_eq!(
        (&wola["issued"], &wola["finished"]),
        (&json!(80), &json!(80))
    );
    assert_eq!(wola["no_show_bp"], json!(2_000));
    assert_eq!(
        (&wola["slots_expected"], &wola["slots_received"]),
        (&json!(20), &json!(20))
    );
    assert_eq!(
        (&wola["completeness_bp"], &wola["fresh"]),
        (&json!(10_000), &json!("live"))
    );
    assert_eq!(wola["data_through"], json!("2020-01-02T12:00:00Z"));
    assert_eq!(
        (&wola["ratings"], &wola["rated"]),
        (&json!([0, 0, 0, 20, 20]), &json!(40))
    );
    assert_eq!(
        (&wola["unrated"], &wola["rating_mean_x100"]),
        (&json!(40), &json!(450))
    );
    let line = wola["sparkline"].as_array().unwrap();
    assert_eq!(
        (line.len(), &line[7], &line[8]),
        (24, &Value::Null, &json!(16))
    );
    assert_eq!((&line[12], &line[13]), (&json!(16), &Value::Null));

    let mokotow = row(&body, "mokotow");
    assert_eq!(
        (&mokotow["slots_received"], &mokotow["fresh"]),
        (&json!(15), &json!("late"))
    );

    let ursus = row(&body, "ursus");
    for unknown in [
        "issued",
        "waiting_n",
        "waiting_p50_s",
        "ratings",
        "climate_in_band_bp",
    ] {
        assert_eq!(ursus[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(
        (&ursus["slots_received"], &ursus["completeness_bp"]),
        (&json!(0), &json!(0))
    );
}

async fn the_total_is_merged_over_the_halls_of_the_chosen_group(make: Make) {
    let (site, cookie) = site(make).await;
    hall(&site, "wola", "A", 20, 4).await;
    hall(&site, "mokotow", "A", 15, 2).await;
    let silent = TestHall::new("ursus");
    silent.send(&site.intake, 1, &[profile("Ursus", "B")]).await;
    known_since_yesterday(&site, "ursus").await;
    let body = site.get("/api/v1/compare", &cookie).await;
    let wola = row(&body, "wola");
    let total = &body["total"];
    assert_eq!(
        (&total["issued"], &total["waiting_n"]),
        (&json!(110), &json!(110))
    );
    assert_eq!(
        (&total["slots_expected"], &total["slots_received"]),
        (&json!(60), &json!(35))
    );
    assert_eq!(total["waiting_p50_s"], wola["waiting_p50_s"].clone());

    let grade_b = site.get("/api/v1/compare?peer_group=B", &cookie).await;
    assert_eq!(
        (&grade_b["halls_expected"], &grade_b["from"]),
        (&json!(1), &json!(DAY))
    );
    assert_eq!(grade_b["total"]["issued"], Value::Null);
    assert_eq!(grade_b["peer_groups"], json!(["A", "B"]));
}

async fn a_correction_replaces_what_was_stated_before(make: Make) {
    let (site, cookie) = site(make).await;
    let wola = hall(&site, "wola", "A", 20, 4).await;
    let first = &slots(DAY, 1)[0];
    wola.send(&site.intake, 42, &[queue_quarter(DAY, first, 2, 9)])
        .await;
    let body = site
        .get("/api/v1/halls/wola/day?date=2020-01-02", &cookie)
        .await;
    let slot = &body["slots"][0];
    assert_eq!((&slot["issued"], &slot["version"]), (&json!(9), &json!(2)));
    let body = site.get("/api/v1/compare", &cookie).await;
    assert_eq!(row(&body, "wola")["issued"], json!(85));
}

async fn one_day_of_one_hall_shows_its_curve_queues_counters_and_air(make: Make) {
    let (site, cookie) = site(make).await;
    let wola = hall(&site, "wola", "A", 19, 4).await;
    let counter = |counter: &str| {
        json!({"item": "fact", "version": 1, "day": DAY, "fact": "counter-day",
            "counter": counter, "staff": "2001", "open_s": 900, "finished": 3})
    };
    let air = json!({"item": "fact", "version": 1, "day": DAY, "fact": "climate-quarter",
        "slot": "2020-01-02T08:00:00Z", "device": "th-1", "measured_min": 15, "in_band_min": 10,
        "samples": 2, "temperature_sum_tenths": 450});
    let next = hall_quarter(DAY, "2020-01-02T12:00:00Z");
    wola.send(&site.intake, 40, &[counter("10"), counter("2"), air, next])
        .await;
    let body = site
        .get("/api/v1/halls/wola/day?date=2020-01-02", &cookie)
        .await;
    let slots = body["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 36);
    assert_eq!(
        (&slots[18]["received"], &slots[18]["issued"]),
        (&json!(true), &json!(4))
    );
    assert_eq!(
        (&slots[19]["received"], &slots[19]["issued"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&slots[20]["received"], &slots[20]["issued"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(slots[20]["waiting_p50_s"], Value::Null);
    // One is missing, one came before it was due.
    assert_eq!(body["completeness_bp"], json!(9_523));
    assert_eq!(body["queues"][0]["name"], json!("登记"));
    assert_eq!(body["counters"][0]["counter"], json!("2"));
    let air = &body["climate"][0];
    assert_eq!(
        (&air["mean_tenths"], &air["in_band_min"]),
        (&json!(225), &json!(10))
    );
    let unknown = site
        .status("GET", "/api/v1/halls/nowhere/day", Some(&cookie))
        .await;
    assert_eq!(unknown, 404);

    let series = "/api/v1/compare/series?stores=wola,nowhere&measure=climate_in_band_bp";
    let body = site.get(series, &cookie).await;
    assert_eq!(body["points"].as_array().unwrap().len(), 24);
    let values = body["series"][0]["values"].as_array().unwrap();
    assert_eq!((&values[9], &values[10]), (&json!(6_666), &Value::Null));
    let by_day = "/api/v1/compare/series?stores=wola&measure=issued&from=2019-12-31&to=2020-01-03";
    let body = site.get(by_day, &cookie).await;
    let values = &body["series"][0]["values"];
    assert_eq!(*values, json!([null, null, 76, null]));
}

async fn the_list_and_the_box_count_what_came(make: Make) {
    let (site, cookie) = site(make).await;
    hall(&site, "wola", "A", 20, 4).await;
    hall(&site, "ursus", "B", 1, 4).await;
    let body = site.get("/api/v1/halls", &cookie).await;
    let ursus = &body["halls"][0];
    assert_eq!(
        (&ursus["name"], &ursus["peer_group"]),
        (&json!("URSUS"), &json!("B"))
    );
    assert_eq!(
        (&ursus["fresh"], &ursus["backlog"]),
        (&json!("late"), &json!(3))
    );
    assert_eq!(ursus["live"]["waiting"], json!(5));
    let body = site.get("/api/v1/box", &cookie).await;
    assert_eq!(body["intake"]["items"], json!(44));
    let stores = json!({"known": 2, "live": 1, "late": 1, "offline": 0});
    assert_eq!(body["stores"], stores);
}

async fn a_request_that_cannot_be_meant_is_answered_with_the_field(make: Make) {
    let (site, cookie) = site(make).await;
    let check = async |path: &str, field: &str| {
        let (status, body) = site.ask("GET", path, Some(&cookie), "10.0.0.9").await;
        assert_eq!(
            (status, &body["error"]["field"]),
            (422, &json!(field)),
            "{path}"
        );
    };
    check("/api/v1/compare?from=yesterday", "from").await;
    check("/api/v1/compare?from=2020-01-03&to=2020-01-02", "to").await;
    check(
        "/api/v1/compare/series?measure=weather&stores=wola",
        "measure",
    )
    .await;
    check(
        "/api/v1/compare/series?measure=issued&stores=WOLA",
        "stores",
    )
    .await;
    check("/api/v1/halls/wola/day?date=1.1.", "date").await;
}

on_both!(
    figures_come_with_age_and_completeness_and_no_data_is_not_zero,
    the_total_is_merged_over_the_halls_of_the_chosen_group,
    a_correction_replaces_what_was_stated_before,
    one_day_of_one_hall_shows_its_curve_queues_counters_and_air,
    the_list_and_the_box_count_what_came,
    a_request_that_cannot_be_meant_is_answered_with_the_field,
);
