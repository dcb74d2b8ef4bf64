//! Tables on a terminal, where a Chinese character is two columns wide.

/// Prints rows under a heading. Columns named in `right` are numbers.
pub fn print(heading: &[&str], rows: &[Vec<String>], right: &[usize]) {
    let mut widths: Vec<usize> = heading.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, widest))| {
                let space = " ".repeat(widest - width(cell));
                if right.contains(&column) {
                    format!("{space}{cell}")
                } else {
                    format!("{cell}{space}")
                }
            });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    println!("{}", line(&heading));
    println!(
        "{}",
        widths
            .iter()
            .map(|width| "─".repeat(*width))
            .collect::<Vec<_>>()
            .join("  ")
    );
    for row in rows {
        println!("{}", line(row));
    }
}

/// Columns a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|c| {
            if ('\u{1100}'..='\u{ffdc}').contains(&c) && !narrow(c) {
                2
            } else {
                1
            }
        })
        .sum()
}

/// Letters, arrows and lines between the wide blocks.
fn narrow(c: char) -> bool {
    ('\u{1200}'..'\u{2e80}').contains(&c)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_chinese_character_is_two_columns_wide() {
        assert_eq!(super::width("Wola 区办事大厅"), 5 + 10);
        assert_eq!(super::width("Żoliborz ─"), 10);
    }
}
