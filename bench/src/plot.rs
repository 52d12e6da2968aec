//! The main rows as bars, an SVG for the README: one panel for each row, its bars relative to the row's slowest.

use crate::rows::Row;
use crate::runtimes::Runtime;
use crate::table::{machine, point};
use std::fmt::Write as _;

/// The rows that are drawn.
const DRAWN: [&str; 8] = ["run.true", "docker.true", "create", "start", "state", "exec", "kill", "delete"];

/// In turn, by number of the runtime: the floors grey, casque in the strongest colour.
const COLOURS: [&str; 7] = ["#9aa0a6", "#c2410c", "#cfd3d7", "#60a5fa", "#34d399", "#93c5fd", "#6ee7b7"];

const BAR: usize = 14;
/// In pixels: the names, the longest bar, the picture.
const LABEL: usize = 120;
const LONGEST: u64 = 420;
const WIDTH: usize = 630;

/// The picture.
pub fn svg(runtimes: &[Runtime], rows: &[Row]) -> String {
    let mut body = String::new();
    let mut y = 24;
    for row in DRAWN.iter().filter_map(|name| rows.iter().find(|row| row.name == *name)) {
        panel(&mut body, runtimes, row, &mut y);
    }
    let height = y + 20;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}\
         <text x=\"8\" y=\"{}\" fill=\"#777777\">median wall time; {}</text>\n</svg>\n",
        y + 8,
        escaped(&machine())
    )
}

fn panel(body: &mut String, runtimes: &[Runtime], row: &Row, y: &mut usize) {
    let slowest = row.samples.iter().map(|samples| samples.wall(50)).max().unwrap_or(0).max(1);
    let _ = writeln!(body, "<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{}</text>", escaped(&row.title));
    *y += 8;
    for (number, (runtime, samples)) in runtimes.iter().zip(&row.samples).enumerate() {
        if samples.len() == 0 {
            continue;
        }
        let wall = samples.wall(50);
        let length = point(wall * LONGEST, slowest, 1);
        let colour = COLOURS.get(number % COLOURS.len()).copied().unwrap_or("#000000");
        let text = *y + BAR - 4;
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABEL}\" y=\"{y}\" width=\"{length}\" height=\"{}\" fill=\"{colour}\"/>\
             <text x=\"{LABEL}\" dx=\"{length}\" y=\"{text}\">&#160;{} ms</text>",
            LABEL - 6,
            escaped(&runtime.name),
            BAR - 3,
            point(wall, 1_000_000, 2)
        );
        *y += BAR;
    }
    *y += 22;
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
