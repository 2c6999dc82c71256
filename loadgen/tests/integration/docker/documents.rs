//! The commands of the book that need Docker.

use crate::documents::{PAGES, execute};

#[test]
fn commands_work_as_written() {
    for page in PAGES {
        execute(page, |block| block.contains("docker ") || block.contains("export PATH"));
    }
}
