//! Comparison of runs or of sweeps, for instance synchronous and asynchronous, or two machines.

mod read;
mod runs;
mod sweeps;
#[cfg(test)]
mod tests;

pub use read::Compared;

use crate::output::{
    charts::Theme,
    page::{document, escape, list, section},
};

/// Returns the comparison as a table for the terminal.
pub fn compare(compared: &Compared) -> String {
    match compared {
        Compared::Runs(all) => runs::text(all),
        Compared::Sweeps(all) => sweeps::text(all),
    }
}

/// Returns the comparison as an HTML page in one file.
pub fn comparison_page(compared: &Compared, theme: Theme) -> String {
    let (title, notes, table, figures) = match compared {
        Compared::Runs(all) => {
            ("Runs compared", runs::notes(all), runs::table(all), runs::figure(all))
        }
        Compared::Sweeps(all) => {
            ("Sweeps compared", sweeps::notes(all), sweeps::table(all), sweeps::figure(all))
        }
    };
    let content = [
        format!("<h1>{}</h1>\n", escape(title)),
        list(&notes),
        section("Figures", &table),
        section("Curves", &figures),
    ];
    document(title, theme, &content.concat())
}
