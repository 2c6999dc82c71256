//! Takes the files of Swagger UI that the page at `/docs` needs out of the crate that carries them,
//! and compresses them.

use std::{
    env, fs,
    io::{Cursor, Read, Write},
    path::PathBuf,
};

use flate2::{Compression, write::GzEncoder};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut archive = zip::ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let suffix = format!("/dist/{file}");
        let name = archive.file_names().find(|name| name.ends_with(&suffix)).map(str::to_owned);
        let mut bytes = Vec::new();
        archive
            .by_name(&name.ok_or(format!("no {file} in Swagger UI"))?)?
            .read_to_end(&mut bytes)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        fs::write(out.join(format!("{file}.gz")), encoder.finish()?)?;
    }
    Ok(())
}
