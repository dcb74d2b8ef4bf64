//! The end of a run: what the centre holds, beside what the file says. The file's side is
//! [`Totals`], plain arithmetic on the rows that has never seen an event.
//!
//! [`Totals`]: crate::replay::Totals

use serde::Deserialize;

use super::prepare::Replay;
use super::table;

/// `GET /api/v1/compare`, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Comparison {
    pub rows: Vec<Row>,
}

/// One hall as the centre knows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    pub store: String,
    pub issued: u64,
    pub finished: u64,
    pub no_show: u64,
    pub abandoned: u64,
    /// Waiting times recorded: tickets started.
    pub waiting_n: u64,
    pub waiting_p50_s: Option<u32>,
    pub handling_p50_s: Option<u32>,
    #[serde(default)]
    pub rated: u64,
    #[serde(default)]
    pub climate_in_band_bp: Option<u32>,
    #[serde(default)]
    pub completeness_bp: Option<u32>,
}

/// Every quarter hour of the opening hours has arrived, in basis points.
const WHOLE_BP: u32 = 10_000;

fn share(value: Option<u32>) -> String {
    value.map_or("-".into(), |bp| format!("{} %", bp / 100))
}

/// Names everything in which the centre and the file differ; empty when the totals are equal.
/// Ratings are not in the file: `rated` is how many were given.
#[must_use]
pub fn differences(replay: &Replay, comparison: &Comparison, rated: u64) -> Vec<String> {
    let mut differences = Vec::new();
    let arrived: u64 = comparison.rows.iter().map(|row| row.rated).sum();
    if arrived != rated {
        differences.push(format!("ratings: given {rated}, centre {arrived}"));
    }
    for plan in &replay.halls {
        let store = plan.hall.store.as_str();
        let Some(row) = comparison.rows.iter().find(|row| row.store == store) else {
            differences.push(format!("{store}: the centre does not know this hall"));
            continue;
        };
        let pairs = [
            ("issued", plan.file.issued, row.issued),
            ("started", plan.file.called, row.waiting_n),
            ("finished", plan.file.called, row.finished),
            ("no-show", 0, row.no_show),
            ("abandoned", plan.file.left_over(), row.abandoned),
        ];
        for (what, file, centre) in pairs {
            if file != centre {
                differences.push(format!("{store}: {what}: file {file}, centre {centre}"));
            }
        }
        if row.completeness_bp != Some(WHOLE_BP) {
            let arrived = share(row.completeness_bp);
            differences.push(format!("{store}: quarter hours: {arrived} of them arrived"));
        }
    }
    differences
}

/// Prints the table.
pub fn print(replay: &Replay, comparison: &Comparison) {
    let heading = [
        "hall",
        "issued file",
        "centre",
        "called file",
        "started",
        "finished",
        "left file",
        "abandoned",
        "no-show",
        "waiting p50",
        "handling p50",
        "rated",
        "air ok",
        "complete",
        "",
    ];
    let seconds =
        |value: Option<u32>| value.map_or("-".into(), |s| format!("{}:{:02}", s / 60, s % 60));
    let mut rows = Vec::new();
    for plan in &replay.halls {
        let store = plan.hall.store.as_str();
        let file = plan.file;
        let Some(row) = comparison.rows.iter().find(|row| row.store == store) else {
            rows.push(
                [
                    &[store.to_owned(), file.issued.to_string()][..],
                    &vec!["-".into(); 12],
                    &["DIFFERENT".into()],
                ]
                .concat(),
            );
            continue;
        };
        let equal = (file.issued, file.called, file.called, file.left_over(), 0)
            == (
                row.issued,
                row.waiting_n,
                row.finished,
                row.abandoned,
                row.no_show,
            );
        rows.push(vec![
            store.to_owned(),
            file.issued.to_string(),
            row.issued.to_string(),
            file.called.to_string(),
            row.waiting_n.to_string(),
            row.finished.to_string(),
            file.left_over().to_string(),
            row.abandoned.to_string(),
            row.no_show.to_string(),
            seconds(row.waiting_p50_s),
            seconds(row.handling_p50_s),
            row.rated.to_string(),
            share(row.climate_in_band_bp),
            share(row.completeness_bp),
            if equal {
                "=".into()
            } else {
                "DIFFERENT".to_owned()
            },
        ]);
    }
    table::print(&heading, &rows, &(1..14).collect::<Vec<_>>());
    println!("\nfile: arithmetic on the records. centre: what it holds after the whole line.");
    println!("reconstructed: first in, first out (waiting, handling). invented: ratings, air.");
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::options::Options;
    use super::super::prepare::prepare;
    use super::*;

    #[test]
    fn every_difference_is_named_and_equal_totals_give_none() {
        let replay = prepare(&Options::parse_from(["demo", "--halls", "2"])).unwrap();
        let row = |at: usize| {
            let plan = &replay.halls[at];
            Row {
                store: plan.hall.store.to_string(),
                issued: plan.file.issued,
                finished: plan.file.called,
                no_show: 0,
                abandoned: plan.file.left_over(),
                waiting_n: plan.file.called,
                waiting_p50_s: None,
                handling_p50_s: Some(90),
                rated: 1,
                climate_in_band_bp: Some(9_000),
                completeness_bp: Some(WHOLE_BP),
            }
        };
        let mut comparison = Comparison {
            rows: vec![row(0), row(1)],
        };
        assert_eq!(differences(&replay, &comparison, 2), Vec::<String>::new());
        print(&replay, &comparison);
        comparison.rows[0].issued -= 1;
        comparison.rows[0].completeness_bp = Some(9_900);
        comparison.rows.pop();
        print(&replay, &comparison);
        let named = differences(&replay, &comparison, 1);
        let issued = replay.halls[0].file.issued;
        assert_eq!(
            named,
            [
                format!("ud-bemowo: issued: file {issued}, centre {}", issued - 1),
                "ud-bemowo: quarter hours: 99 % of them arrived".into(),
                "ud-bialoleka: the centre does not know this hall".into(),
            ]
        );
    }
}
