//! The text of a Dockerfile to instructions: comments, directives, lines that go on, flags, here-documents. What the words
//! of an instruction mean is for those who perform it.

use super::words;
use anyhow::{Context, Result, bail, ensure};
use std::iter::Peekable;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// In upper case: `RUN`.
    pub keyword: String,
    /// `--name=value`, in their order; the value of a bare `--name` is `None`.
    pub flags: Vec<(String, Option<String>)>,
    /// The whole of it in one line, as it was written.
    pub text: String,
    /// Everything behind the flags.
    pub rest: String,
    /// The here-documents that `rest` names, in their order.
    pub documents: Vec<Document>,
    /// The line on which it begins, counted from 1.
    pub line: usize,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The word that ends it, by which it is also called.
    pub name: String,
    /// Whether variables in it are replaced: not if the word was quoted.
    pub expand: bool,
    /// What it says.
    pub text: String,
    /// The mark and all up to the end, as a shell takes them.
    pub raw: String,
}

/// A Dockerfile.
#[derive(Debug)]
pub struct Dockerfile {
    /// `\`, or what its directive `escape` says.
    pub escape: char,
    /// In their order.
    pub instructions: Vec<Instruction>,
}

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// What is wrong with it, and on which line.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let escape = escape(text)?;
        let mut lines = text.lines().enumerate().peekable();
        let mut instructions = Vec::new();
        while let Some((number, first)) = lines.next() {
            if is_comment(first) || first.trim().is_empty() {
                continue;
            }
            let line = whole_line(first.trim_start(), escape, &mut lines);
            let place = || format!("line {}", number + 1);
            let mut instruction = instruction(&line, escape).with_context(place)?;
            instruction.line = number + 1;
            if takes_documents(&instruction) {
                instruction.documents =
                    documents(&instruction.rest, escape, &mut lines).with_context(place)?;
            }
            instructions.push(instruction);
        }
        ensure!(!instructions.is_empty(), "there is no instruction in it");
        Ok(Self { escape, instructions })
    }
}

/// Reads a single instruction, of `--change` or ONBUILD.
///
/// # Errors
/// It is none.
pub fn instruction(line: &str, escape: char) -> Result<Instruction> {
    let line = line.trim();
    let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let keyword = keyword.to_ascii_uppercase();
    ensure!(KEYWORDS.contains(&keyword.as_str()), "unknown instruction: {keyword}");
    let (flags, rest) = flags(rest, &keyword, escape);
    ensure!(!rest.is_empty() || keyword == "CMD", "{keyword} needs arguments");
    Ok(Instruction { keyword, flags, text: line.to_owned(), rest, documents: Vec::new(), line: 1 })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The directive `# escape=`, which must stand before everything else.
fn escape(text: &str) -> Result<char> {
    for line in text.lines() {
        let Some(comment) = line.trim_start().strip_prefix('#') else { break };
        let Some((key, value)) = comment.split_once('=') else { break };
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            break;
        }
        if key.eq_ignore_ascii_case("escape") {
            return match value.trim() {
                "\\" => Ok('\\'),
                "`" => Ok('`'),
                other => bail!("line 1: escape={other}: only \\ and ` can be"),
            };
        }
    }
    Ok('\\')
}

type Lines<'a, I> = Peekable<I>;

/// Joins the lines that go on. Comments and empty lines between them do not count.
fn whole_line<'a>(
    first: &str,
    escape: char,
    lines: &mut Lines<'a, impl Iterator<Item = (usize, &'a str)>>,
) -> String {
    let mut whole = String::new();
    let mut line = first;
    while let Some(begun) = goes_on(line, escape) {
        whole.push_str(begun);
        let next = lines.find(|(_, line)| !is_comment(line) && !line.trim().is_empty());
        let Some((_, next)) = next else { return whole };
        line = next;
    }
    whole + line.trim_end()
}

/// The line without the escape character at its end, if there is one which is not escaped itself.
fn goes_on(line: &str, escape: char) -> Option<&str> {
    let begun = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!begun.ends_with(escape)).then_some(begun)
}

/// Splits the flags off.
fn flags(rest: &str, keyword: &str, escape: char) -> (Vec<(String, Option<String>)>, String) {
    let mut rest = rest.trim();
    let mut flags = Vec::new();
    if !matches!(keyword, "ADD" | "COPY" | "FROM" | "HEALTHCHECK" | "RUN") {
        return (flags, rest.to_owned());
    }
    while rest.starts_with("--") {
        let Some(word) = words::split(rest, escape).into_iter().next() else { break };
        rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        if word == "--" {
            break;
        }
        let flag = word.trim_start_matches("--");
        flags.push(match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (flag.to_owned(), None),
        });
    }
    (flags, rest.to_owned())
}

fn takes_documents(instruction: &Instruction) -> bool {
    let triggered = instruction.rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let keyword = if instruction.keyword == "ONBUILD" { &triggered } else { &instruction.keyword };
    matches!(keyword.as_str(), "RUN" | "COPY" | "ADD")
}

/// The here-documents that the words of an instruction begin, from the lines behind it.
fn documents<'a>(
    rest: &str,
    escape: char,
    lines: &mut Lines<'a, impl Iterator<Item = (usize, &'a str)>>,
) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    if rest.trim_start().starts_with('[') {
        return Ok(documents);
    }
    for word in words::split(rest, escape) {
        let Some((strip_tabs, quoted)) = mark(&word) else { continue };
        let name: String = quoted.chars().filter(|c| !['"', '\'', escape].contains(c)).collect();
        let expand = name == quoted;
        let (mut text, mut raw, mut ended) = (String::new(), String::new(), false);
        for (_, line) in lines.by_ref() {
            raw.push_str(line);
            let line = if strip_tabs { line.trim_start_matches('\t') } else { line };
            ended = line == name;
            if ended {
                break;
            }
            raw.push('\n');
            text.push_str(line);
            text.push('\n');
        }
        ensure!(ended, "the here-document {name} does not end");
        documents.push(Document { name, expand, text, raw });
    }
    Ok(documents)
}

/// `<<WORD` or `<<-WORD`, perhaps with the number of a descriptor: whether tabs are taken away, and the word.
fn mark(word: &str) -> Option<(bool, &str)> {
    let word = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (strip_tabs, word) = word.strip_prefix('-').map_or((false, word), |word| (true, word));
    let sound = !word.is_empty() && !word.contains('<');
    sound.then_some((strip_tabs, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        let instructions = Dockerfile::parse(text).unwrap().instructions;
        instructions.into_iter().map(|instruction| (instruction.keyword, instruction.rest)).collect()
    }

    fn pair(keyword: &str, rest: &str) -> (String, String) {
        (keyword.to_owned(), rest.to_owned())
    }

    #[test]
    fn lines_go_on_over_comments_and_empty_lines() {
        let text =
            "# a comment\n\nFROM  a\nrun one \\\n  # between\n\n  && two \\  \n && three\nCMD x\\\\\nUSER y";
        let expected = [
            pair("FROM", "a"),
            pair("RUN", "one   && two  && three"),
            pair("CMD", r"x\\"),
            pair("USER", "y"),
        ];
        assert_eq!(parsed(text), expected);
    }

    #[test]
    fn the_escape_character_can_be_another_one() {
        assert_eq!(parsed("# escape=`\nRUN dir `\n c:\\\nUSER a")[0], pair("RUN", "dir  c:\\"));
        assert_eq!(parsed("# other\n# escape=`\nRUN a \\\n b")[0], pair("RUN", "a  b"));
    }

    #[test]
    fn flags_come_first() {
        let file = Dockerfile::parse("COPY --from=a --link b --chown=c d\n").unwrap();
        let instruction = &file.instructions[0];
        assert_eq!(instruction.flags, [("from".into(), Some("a".into())), ("link".into(), None)]);
        assert_eq!(instruction.rest, "b --chown=c d");
    }

    #[test]
    fn here_documents_belong_to_their_instruction() {
        let text = "RUN <<A cat <<-'B'\none\n# two\nA\n\t\tthree $X\n\tB\nUSER u\n";
        let file = Dockerfile::parse(text).unwrap();
        let documents = &file.instructions[0].documents;
        assert_eq!(documents.len(), 2);
        assert_eq!((documents[0].text.as_str(), documents[0].expand), ("one\n# two\n", true));
        assert_eq!((documents[1].text.as_str(), documents[1].expand), ("three $X\n", false));
        assert_eq!(file.instructions[1].keyword, "USER");
        assert!(Dockerfile::parse("RUN <<A\nx\n").is_err());
        assert!(Dockerfile::parse("RUN cat <<<A\n").unwrap().instructions[0].documents.is_empty());
    }

    #[test]
    fn mistakes_name_their_line() {
        let error = Dockerfile::parse("FROM a\n\nFORM b\n").unwrap_err();
        assert_eq!(format!("{error:#}"), "line 3: unknown instruction: FORM");
        assert!(Dockerfile::parse("# nothing\n").is_err());
        assert!(Dockerfile::parse("FROM\n").is_err());
    }
}
