//! `--format`: what of each result is printed. Of Go's templates, as Docker takes them, the part that people use: text with
//! `{{.Field.Field}}` and `{{json .Field}}` in it; and JSON pointers (RFC 6901), as `/Config/Cmd`, which also reach into
//! lists and names with dots.

use crate::print;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The words of an option's help.
pub const HELP: &str =
    "What to print: `json`, a JSON pointer as /Config/Cmd, or text with {{.Field}} or {{json .Field}} in it";

/// A template, read.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    table: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A JSON pointer, and whether its value is printed as JSON even if it is a string.
    Field(String, bool),
}

impl Template {
    /// Reads one. `\t` and `\n` are what they are called; `table` in front asks for a heading and columns.
    ///
    /// # Errors
    /// It has what is not understood.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "json" {
            return Ok(Self { parts: vec![Part::Field(String::new(), true)], table: false });
        }
        if text.starts_with('/') {
            return Ok(Self { parts: vec![Part::Field(text.to_owned(), false)], table: false });
        }
        let (text, table) = text.strip_prefix("table ").map_or((text, false), |rest| (rest, true));
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (field, after) = after.split_once("}}").context("--format: `{{` without `}}`")?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(field_of(field)?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self { parts, table })
    }

    /// One line for each value, below a heading if the template asks for it.
    ///
    /// # Errors
    /// There is no such field.
    pub fn lines<'a>(&self, values: impl IntoIterator<Item = &'a Value>) -> Result<String> {
        let mut lines = Vec::new();
        if self.table {
            lines.push(self.heading());
        }
        for value in values {
            lines.push(self.line(value)?);
        }
        if self.table {
            let rows: Vec<Vec<String>> =
                lines.iter().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
            return Ok(print::table(&rows));
        }
        Ok(lines.into_iter().map(|line| line + "\n").collect())
    }

    fn line(&self, value: &Value) -> Result<String> {
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Field(pointer, json) => {
                    let found = value.pointer(pointer);
                    match found.with_context(|| format!("--format: there is no {pointer}"))? {
                        Value::String(text) if !json => line.push_str(text),
                        Value::Null if !json => {}
                        other => line.push_str(&serde_json::to_string(other)?),
                    }
                }
            }
        }
        Ok(line)
    }

    /// The names of the fields as Docker writes them at the top of columns: `IMAGE ID` for `ID`.
    fn heading(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(pointer, _) => match pointer.rsplit('/').next().unwrap_or_default() {
                "ID" => "IMAGE ID".to_owned(),
                "CreatedSince" => "CREATED".to_owned(),
                "CreatedAt" => "CREATED AT".to_owned(),
                "CreatedBy" => "CREATED BY".to_owned(),
                name => name.to_uppercase(),
            },
        });
        parts.collect()
    }
}

/// `.Config.Cmd` or `json .Config.Cmd` as a pointer.
fn field_of(text: &str) -> Result<Part> {
    let text = text.trim();
    let (text, json) = text.strip_prefix("json ").map_or((text, false), |rest| (rest.trim(), true));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
    if !text.starts_with('.') || !text.bytes().all(plain) {
        bail!(
            "--format: {{{{{text}}}}} is more of Go's templates than is understood here; a JSON pointer as /Config/Labels may do"
        );
    }
    let pointer = if text == "." { String::new() } else { text.replace('.', "/") };
    ensure!(!pointer.contains("//"), "--format: {text}: an empty name");
    Ok(Part::Field(pointer, json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(template: &str) -> String {
        let value = json!({
            "ID": "ab12", "Config": { "Cmd": ["sh", "-c"], "Labels": { "a.b": "c" }, "User": null }, "Size": 7,
        });
        Template::parse(template)
            .and_then(|template| template.lines([&value]))
            .unwrap_or_else(|why| why.to_string())
    }

    #[test]
    fn fields_are_printed_as_docker_prints_them_and_lists_as_json() {
        assert_eq!(said("{{.ID}}: {{ .Size }}"), "ab12: 7\n");
        assert_eq!(said("{{.Config.Cmd}}"), "[\"sh\",\"-c\"]\n");
        assert_eq!(said("{{json .ID}}\\t{{.Config.User}}|"), "\"ab12\"\t|\n");
        assert_eq!(said("/Config/Cmd/0"), "sh\n");
        assert_eq!(said("/Config/Labels/a.b"), "c\n");
        assert!(said("json").starts_with("{\"Config\":{\"Cmd\":"));
        assert_eq!(said("{{json .}}"), said("json"));
        assert_eq!(said("table {{.ID}}\\t{{.Size}}"), "IMAGE ID   SIZE\nab12       7\n");
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(said("{{.Nothing}}"), "--format: there is no /Nothing");
        assert_eq!(said("{{.ID"), "--format: `{{` without `}}`");
        assert!(said("{{range .Config.Cmd}}").starts_with("--format: {{range .Config.Cmd}} is more of Go's"));
        assert_eq!(said("{{.Config..Cmd}}"), "--format: .Config..Cmd: an empty name");
    }
}
