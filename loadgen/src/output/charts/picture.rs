//! Charts as PNG pictures.

use std::sync::OnceLock;

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree, fontdb::Database},
};

use super::{chart::Chart, style::Theme};
use crate::Error;

/// Pixels for each unit of a chart.
const SCALE: f32 = 2.0;
/// Families for the text of pictures, the preferred one first.
const FAMILIES: [&str; 6] =
    ["Noto Sans", "DejaVu Sans", "Liberation Sans", "Open Sans", "Roboto", "Arial"];

/// Draws a chart as a PNG picture with the fonts of this machine.
///
/// # Errors
/// Returns an error if this machine has no font.
pub fn png(chart: &Chart, theme: Theme) -> Result<Vec<u8>, Error> {
    let family = family().ok_or_else(|| {
        Error::Machine(
            "pictures need a font, and this machine has none\n  help: install one (Debian: \
                fonts-dejavu-core), or use the SVG files"
                .to_owned(),
        )
    })?;
    let failed = |why: String| Error::Machine(format!("cannot draw {:?}: {why}", chart.title));
    let mut options = Options { font_family: family, ..Options::default() };
    *options.fontdb_mut() = fonts().clone();
    let tree = Tree::from_str(&chart.themed(theme), &options).map_err(|e| failed(e.to_string()))?;
    let [width, height] = [chart.width, chart.height].map(|side| (side as f32 * SCALE) as u32);
    let mut picture =
        Pixmap::new(width, height).ok_or_else(|| failed("it has no size".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|e| failed(e.to_string()))
}

/// Returns the fonts of this machine, with the preferred one for `sans-serif`.
fn fonts() -> &'static Database {
    static FONTS: OnceLock<Database> = OnceLock::new();
    FONTS.get_or_init(|| {
        let mut fonts = Database::new();
        fonts.load_system_fonts();
        if let Some(family) = preferred(&fonts) {
            fonts.set_sans_serif_family(family);
        }
        fonts
    })
}

fn family() -> Option<String> {
    preferred(fonts())
}

fn preferred(fonts: &Database) -> Option<String> {
    let has = |family: &&str| {
        fonts.faces().any(|face| face.families.iter().any(|(name, _)| name == *family))
    };
    let known = FAMILIES.iter().find(|family| has(family)).map(|family| (*family).to_owned());
    known.or_else(|| Some(fonts.faces().next()?.families.first()?.0.clone()))
}
