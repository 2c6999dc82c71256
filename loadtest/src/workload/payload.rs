//! Request bodies: text, files, forms.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A body and its media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Bytes of the body, sent unchanged.
    pub bytes: Vec<u8>,
    /// Value of the `Content-Type` header.
    pub content_type: String,
}

/// A form field in the syntax of curl's `-F`: `NAME=VALUE` or `NAME=@FILE`, with `;type=MEDIA/TYPE`
/// if the file name does not imply the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: String,
    value: FieldValue,
    content_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FieldValue {
    Text(String),
    File(PathBuf),
}

const JSON: &str = "application/json";
/// Largest size of all files of a folder together, because they are kept in memory.
const MOST_BYTES: u64 = 1 << 30;

impl Payload {
    /// Returns a JSON payload.
    pub fn json(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), content_type: JSON.to_owned() }
    }

    /// Reads the payloads that `--body` names: text, which is JSON unless `content_type` says
    /// otherwise; `@FILE`, whose name implies its type; or `@FOLDER`, all its files in the order of
    /// their names. Paths are relative to `folder`.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if a folder is empty or holds more than 1 GiB.
    pub fn read_all(
        text: &str,
        folder: &Path,
        content_type: Option<&str>,
    ) -> Result<Vec<Self>, String> {
        let Some(name) = text.strip_prefix('@') else {
            let payload = Self::json(text);
            return Ok(vec![Self {
                content_type: content_type.unwrap_or(JSON).to_owned(),
                ..payload
            }]);
        };
        let path = folder.join(name);
        if !path.is_dir() {
            return Ok(vec![Self::read(&path, content_type)?]);
        }
        let mut left = MOST_BYTES;
        files_of(&path)?
            .iter()
            .map(|file| {
                let bytes = fs::metadata(file).map_err(|e| cannot_read(file, &e))?.len();
                let too_much =
                    || format!("{}: its files are more than 1 GiB together", path.display());
                left = left.checked_sub(bytes).ok_or_else(too_much)?;
                Self::read(file, content_type)
            })
            .collect()
    }

    /// Builds a multipart form (RFC 7578).
    ///
    /// # Errors
    /// Returns an error if a file cannot be read.
    pub fn form(fields: &[Field], folder: &Path) -> Result<Self, String> {
        let parts =
            fields.iter().map(|field| field.part(folder)).collect::<Result<Vec<_>, String>>()?;
        // A boundary must not occur in any part.
        let is_free = |boundary: &String| {
            !parts.iter().any(|(_, bytes)| contains(bytes, boundary.as_bytes()))
        };
        let boundary =
            (0u64..).map(|n| format!("loadgen-boundary-{n}")).find(is_free).unwrap_or_default();
        let mut bytes = Vec::new();
        for (head, body) in &parts {
            bytes.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Ok(Self { bytes, content_type: format!("multipart/form-data; boundary={boundary}") })
    }

    fn read(path: &Path, content_type: Option<&str>) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|e| cannot_read(path, &e))?;
        let content_type = content_type.map_or_else(|| guess(path, &bytes), str::to_owned);
        Ok(Self { bytes, content_type })
    }
}

impl std::str::FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("{text:?}: write NAME=VALUE or NAME=@FILE"))?;
        let (value, content_type) = match value.rsplit_once(";type=") {
            Some((value, content_type)) => (value, Some(content_type.to_owned())),
            None => (value, None),
        };
        if content_type.as_deref().is_some_and(|text| !is_header_value(text)) {
            return Err(format!("{text:?}: its type is no media type"));
        }
        let value = match value.strip_prefix('@') {
            Some(file) => FieldValue::File(PathBuf::from(file)),
            None => FieldValue::Text(value.to_owned()),
        };
        Ok(Self { name: name.to_owned(), value, content_type })
    }
}

impl Field {
    /// Returns the part's head, without the blank line, and its bytes.
    fn part(&self, folder: &Path) -> Result<(String, Vec<u8>), String> {
        let name = quoted(&self.name);
        let head = format!("Content-Disposition: form-data; name=\"{name}\"");
        match &self.value {
            FieldValue::Text(text) => {
                let content_type =
                    self.content_type.as_ref().map(|text| format!("\r\nContent-Type: {text}"));
                Ok((head + &content_type.unwrap_or_default(), text.clone().into_bytes()))
            }
            FieldValue::File(file) => {
                let Payload { bytes, content_type } =
                    Payload::read(&folder.join(file), self.content_type.as_deref())?;
                let file = quoted(&file.file_name().unwrap_or_default().to_string_lossy());
                Ok((format!("{head}; filename=\"{file}\"\r\nContent-Type: {content_type}"), bytes))
            }
        }
    }
}

/// Returns true if a text is valid as a header value.
pub(super) fn is_header_value(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte) || byte >= 0x80)
}

/// Escapes a name as browsers do (the HTML standard's multipart form data).
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| cannot_read(folder, &e))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| cannot_read(folder, &e))?.path();
        let is_hidden =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        Err(format!("{}: there is no file in it", folder.display()))
    } else {
        Ok(files)
    }
}

/// Guesses the media type from the file's extension; without a known one, by parsing the bytes as
/// JSON.
fn guess(path: &Path, bytes: &[u8]) -> String {
    match mime_guess::from_path(path).first_raw() {
        Some(known) => known.to_owned(),
        None if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() => JSON.to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }

    #[test]
    fn the_name_of_a_file_tells_what_it_is() {
        let dir = folder(&[
            ("cat.jpg", b"\xff\xd8"),
            ("row.json", b"{}"),
            ("row", b"[1]"),
            ("x.npy", b"\x93NUMPY"),
            ("a.csv", b"a"),
        ]);
        for (name, content_type) in [
            ("cat.jpg", "image/jpeg"),
            ("row.json", "application/json"),
            ("row", "application/json"),
            ("x.npy", "application/octet-stream"),
            ("a.csv", "text/csv"),
        ] {
            let read = Payload::read_all(&format!("@{name}"), dir.path(), None).unwrap();
            assert_eq!((read.len(), read[0].content_type.as_str()), (1, content_type), "{name}");
        }
        let payloads = Payload::read_all("@cat.jpg", dir.path(), Some("image/webp")).unwrap();
        assert_eq!(payloads[0].content_type, "image/webp");
        assert_eq!(Payload::read_all("{}", dir.path(), None).unwrap(), [Payload::json("{}")]);
    }

    #[test]
    fn a_folder_is_its_files_by_name() {
        let dir = folder(&[("b.txt", b"2"), ("a.json", b"1"), (".hidden", b"3")]);
        let read =
            Payload::read_all(&format!("@{}", dir.path().display()), Path::new("/"), None).unwrap();
        let bodies: Vec<&[u8]> = read.iter().map(|payload| &payload.bytes[..]).collect();
        assert_eq!(bodies, [b"1", b"2"]);
        let empty = folder(&[]);
        let why = Payload::read_all(&format!("@{}/", empty.path().display()), Path::new("/"), None)
            .unwrap_err();
        assert!(why.contains("no file"), "{why}");
    }

    #[test]
    fn a_form_is_what_other_clients_send() {
        let dir = folder(&[("cat.jpg", b"\xff loadgen-boundary-0 \xd8")]);
        let fields = ["threshold=0.5", "image=@cat.jpg", "meta={};type=application/json"];
        let fields: Vec<Field> = fields.iter().map(|text| text.parse().unwrap()).collect();
        let form = Payload::form(&fields, dir.path()).unwrap();
        assert_eq!(form.content_type, "multipart/form-data; boundary=loadgen-boundary-1");
        let text = String::from_utf8_lossy(&form.bytes);
        assert!(text.starts_with(
            "--loadgen-boundary-1\r\nContent-Disposition: form-data; \
                name=\"threshold\"\r\n\r\n0.5\r\n--loadgen-boundary-1\r\n"
        ));
        assert!(
            text.contains(
                "name=\"image\"; filename=\"cat.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{}\r\n"),
            "{text}"
        );
        assert!(text.ends_with("--loadgen-boundary-1--\r\n"));
    }

    #[test]
    fn what_is_no_field_is_told() {
        for wrong in ["image", "=x", "a=b;type=\r\n"] {
            assert!(wrong.parse::<Field>().is_err(), "{wrong}");
        }
    }
}
