//! The organization as a table (CSV): one row for each unit and hall, columns by the keys of the forms.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zhiban_kernel::StoreError;
use zhiban_kernel::sql::Sql;
use zhiban_vocabulary::StoreId;
use zhiban_vocabulary::down::Family;
use zhiban_vocabulary::masters::{Content, check, check_part, fields};

use super::edit::{self, Actor};
use super::store::{self, Place};

/// Rows of one table.
const ROWS_MAX: usize = 50_000;
/// What stands in front of the fields.
const HEAD: [&str; 4] = ["node", "kind", "parent", "level"];
/// Marks the text as UTF-8 for spreadsheets.
const MARK: &str = "\u{feff}";

/// A cell that cannot be used. Rows are counted as a spreadsheet does: the head is the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, column {column}: expected {expected}, found {found:?}")]
pub(super) struct Wrong {
    row: usize,
    column: String,
    expected: String,
    found: String,
}

impl Wrong {
    fn new(row: usize, column: &str, expected: &str, found: &str) -> Self {
        Self {
            row,
            column: column.into(),
            expected: expected.into(),
            found: found.chars().take(60).collect(),
        }
    }

    pub(super) fn facts(&self) -> Value {
        json!({"row": self.row, "column": self.column, "expected": self.expected,
            "found": self.found})
    }
}

/// A row that fits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    node: StoreId,
    is_hall: bool,
    parent: Option<String>,
    content: Content,
}

/// How many units and halls a table has.
pub(super) fn count(rows: &[Row]) -> (usize, usize) {
    let halls = rows.iter().filter(|row| row.is_hall).count();
    (rows.len() - halls, halls)
}

fn columns() -> Vec<&'static str> {
    let keys = fields(&Family::Hall).iter().map(|field| field.key);
    HEAD.into_iter().chain(keys).collect()
}

/// The tree with all it has, units above what hangs below them.
pub(super) fn export(sql: &dyn Sql) -> Result<String, StoreError> {
    let mut contents = BTreeMap::new();
    for family in [Family::Unit, Family::Hall] {
        for document in store::of_family(sql, &family)? {
            contents.insert(document.scope, document.content.unwrap_or_default());
        }
    }
    let places = store::places(sql)?;
    let mut lines = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::from(MARK));
    let broken = |error: csv::Error| StoreError::Database(error.to_string());
    lines.write_record(columns()).map_err(broken)?;
    for place in in_order(&places) {
        let content = contents.get(&place.node).cloned().unwrap_or_default();
        let cell = |column: &str| match column {
            "node" => place.node.clone(),
            "kind" if place.is_hall => "hall".into(),
            "kind" => "unit".into(),
            "parent" => place.parent.clone().unwrap_or_default(),
            key => match &content[key] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
        };
        lines
            .write_record(columns().into_iter().map(|column| harmless(cell(column))))
            .map_err(broken)?;
    }
    let bytes = lines.into_inner().unwrap_or_default();
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// How cells begin that a spreadsheet takes for a formula, and the mark that makes them text.
const FORMULAS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', MADE_TEXT];
const MADE_TEXT: char = '\'';

/// A cell no spreadsheet runs; what began with the mark gets another, so that it comes back.
fn harmless(cell: String) -> String {
    match cell.starts_with(FORMULAS) {
        true => format!("{MADE_TEXT}{cell}"),
        false => cell,
    }
}

/// A cell as it was before it was made harmless.
fn plain(cell: &str) -> &str {
    let marked = cell.strip_prefix(MADE_TEXT);
    let marked = marked.filter(|rest| rest.starts_with(FORMULAS));
    marked.unwrap_or(cell)
}

/// Units before what hangs below them.
fn in_order(places: &[Place]) -> Vec<&Place> {
    let mut below: BTreeMap<Option<&str>, Vec<&Place>> = BTreeMap::new();
    for place in places {
        below
            .entry(place.parent.as_deref())
            .or_default()
            .push(place);
    }
    let mut waiting = below.remove(&None).unwrap_or_default();
    waiting.reverse();
    let mut ordered = Vec::new();
    while let Some(place) = waiting.pop() {
        ordered.push(place);
        let under = below.remove(&Some(place.node.as_str())).unwrap_or_default();
        waiting.extend(under.into_iter().rev());
    }
    ordered
}

/// Reads a table; the first cell that does not fit is named.
pub(super) fn read(text: &str) -> Result<Vec<Row>, Wrong> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let mut lines = Vec::new();
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    for (at, line) in reader.into_records().enumerate() {
        let line = line.map_err(|error| Wrong::new(at + 1, "-", "a row", &error.to_string()))?;
        let cells = line.iter().map(|cell| plain(cell).to_owned());
        lines.push(cells.collect::<Vec<_>>());
    }
    if lines.is_empty() {
        return Err(Wrong::new(1, "node", "the names of the columns", ""));
    }
    let head = lines.remove(0);
    if let Some(missing) = HEAD[..3]
        .iter()
        .find(|name| !head.iter().any(|cell| cell == *name))
    {
        return Err(Wrong::new(1, missing, "a column of this name", "none"));
    }
    if let Some(strange) = head.iter().find(|cell| !columns().contains(&cell.as_str())) {
        return Err(Wrong::new(1, strange, &columns().join(", "), strange));
    }
    if lines.len() > ROWS_MAX {
        let found = lines.len().to_string();
        return Err(Wrong::new(ROWS_MAX + 2, "node", "up to 50000 rows", &found));
    }
    let numbered = lines.iter().enumerate();
    let filled = numbered.filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    filled
        .map(|(at, cells)| read_row(at + 2, &head, cells))
        .collect()
}

fn read_row(row: usize, head: &[String], cells: &[String]) -> Result<Row, Wrong> {
    let at = |name: &str| {
        let column = head.iter().position(|column| column == name)?;
        cells.get(column).map(|cell| cell.trim())
    };
    let id = at("node").unwrap_or_default();
    let node = id
        .parse()
        .map_err(|_| Wrong::new(row, "node", "small letters, digits and dashes", id))?;
    let kind = at("kind").unwrap_or_default();
    let family = match kind {
        "hall" => Family::Hall,
        "unit" => Family::Unit,
        other => return Err(Wrong::new(row, "kind", "unit or hall", other)),
    };
    if cells.len() > head.len() {
        let found = cells.len().to_string();
        return Err(Wrong::new(
            row,
            "-",
            "as many cells as the head has",
            &found,
        ));
    }
    let mut content = Content::new();
    for (name, cell) in head
        .iter()
        .zip(cells)
        .filter(|(_, cell)| !cell.trim().is_empty())
    {
        if HEAD[..3].contains(&name.as_str()) {
            continue;
        }
        let Some(field) = fields(&family).iter().find(|field| field.key == name) else {
            return Err(Wrong::new(
                row,
                name,
                "nothing: it is not of this kind",
                cell,
            ));
        };
        content.insert(name.clone(), field.form.read(cell.trim()));
    }
    let checked = match family {
        Family::Hall => check_part(&family, &content),
        _ => check(&family, &content),
    };
    checked.map_err(|unfit| Wrong::new(row, &unfit.field, &unfit.expected, &unfit.found))?;
    let parent = at("parent").filter(|parent| !parent.is_empty());
    Ok(Row {
        node,
        is_hall: family == Family::Hall,
        parent: parent.map(str::to_owned),
        content,
    })
}

/// Brings a table in, in the caller's transaction: units first, those above others before them.
pub(super) fn import(tx: &dyn Sql, rows: &[Row], by: &Actor) -> Result<(), StoreError> {
    let (halls, mut units): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_hall);
    while !units.is_empty() {
        let named: std::collections::BTreeSet<_> =
            units.iter().map(|row| row.node.to_string()).collect();
        let waits = |row: &&Row| row.parent.as_ref().is_some_and(|one| named.contains(one));
        let (later, now): (Vec<&Row>, Vec<&Row>) = units.into_iter().partition(waits);
        // In a circle all wait; the first of them is then refused with its reason.
        let (first, rest) = if now.is_empty() {
            (&later[..], vec![])
        } else {
            (&now[..], later.clone())
        };
        for row in first {
            let parent = row.parent.as_deref();
            edit::set_unit(tx, row.node.as_str(), row.content.clone(), parent, by)?;
        }
        units = rest;
    }
    for row in halls {
        edit::place_hall(tx, &row.node, row.parent.as_deref(), by)?;
        if row.content.is_empty() {
            continue;
        }
        let node = row.node.as_str();
        let mut content = store::content_of(tx, &Family::Hall, node, node)?.unwrap_or_default();
        content.extend(row.content.clone());
        edit::set_hall(tx, &row.node, content, by)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_looks_like_a_formula_is_made_text_and_comes_back() {
        for cell in [
            "=1+1", "+8", "-8", "@x", "\tx", "\rx", "'", "'=1", "''x", "'x", "x", "",
        ] {
            let out = harmless(cell.into());
            assert!(
                !out.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell:?}"
            );
            assert_eq!(plain(&out), cell);
        }
        // Written by a person, or by a spreadsheet that dropped the mark.
        assert_eq!(plain("'x"), "'x");
        assert_eq!(plain("=1"), "=1");
    }

    #[test]
    fn a_wrong_cell_is_named_by_row_and_column() {
        let table = |row: &str| read(&format!("node,kind,parent,level,name,area_m2\n{row}\n"));
        let good = table("wola,hall,city,,\"沃拉,厅\",620").unwrap();
        assert_eq!(good[0].content["name"], "沃拉,厅");
        assert_eq!(good[0].content["area_m2"], 620);
        let wrong = |row: &str| table(row).unwrap_err();
        for (row, column) in [
            ("Wola,hall,city,,厅,620", "node"),
            ("wola,shop,city,,厅,620", "kind"),
            ("wola,hall,city,,厅,much", "area_m2"),
            ("wola,hall,city,city,厅,1", "level"),
            ("city,unit,,town,城,", "level"),
            ("city,unit,,city,,", "name"),
        ] {
            let found = wrong(row);
            assert_eq!(
                (found.row, found.column.as_str()),
                (2, column),
                "{row}: {found}"
            );
        }
        assert_eq!(read("").unwrap_err().row, 1);
        assert_eq!(read("{}").unwrap_err().row, 1);
    }
}
