//! The words of a Dockerfile's instruction: quotes, the escape character, `$variables`, as Docker's builder reads them.

use anyhow::{Context, Result, bail, ensure};

/// How deep `${a:-${b:-...}}` may go: each level takes some of the stack.
const DEPTH: u32 = 64;
/// The most bytes that come of one text: `$a$a` twice as large each time soon fills the memory. A program gets no word longer
/// than 128 KiB (execve(2)).
const MOST: usize = 1 << 20;
/// The most that come of a here-document, as many as a Dockerfile may have.
const MOST_OF_DOCUMENT: usize = 16 << 20;

/// What variables stand for, and which character takes the next one's meaning away.
pub struct Scope<'a> {
    /// The value of a variable, where it has one.
    pub value: &'a dyn Fn(&str) -> Option<String>,
    /// `\`, or what the directive `escape` says.
    pub escape: char,
}

/// Replaces variables and takes quotes away; the result is one word whatever is in it.
///
/// # Errors
/// A quote or brace that does not end, a modifier that there is not, `${name:?message}` of one that is not set.
pub fn expand(text: &str, scope: &Scope<'_>) -> Result<String> {
    let mut lexer = Lexer::new(text, scope);
    lexer.run(None)?;
    Ok(lexer.whole)
}

/// As [`expand`], and splits at blanks that stand outside of quotes, also at those in a variable's value.
///
/// # Errors
/// As [`expand`].
pub fn expand_words(text: &str, scope: &Scope<'_>) -> Result<Vec<String>> {
    let mut lexer = Lexer::new(text, scope);
    lexer.run(None)?;
    lexer.end_word();
    Ok(lexer.words)
}

/// Replaces the variables in a here-document, in which quotes mean nothing.
///
/// # Errors
/// As [`expand`].
pub fn expand_document(text: &str, scope: &Scope<'_>) -> Result<String> {
    let mut lexer = Lexer::new(text, scope);
    while let Some(character) = lexer.rest.next() {
        match character {
            '$' => {
                let value = lexer.variable()?;
                lexer.check_room(&value, MOST_OF_DOCUMENT)?;
                lexer.whole.push_str(&value);
            }
            _ if character == scope.escape => {
                match lexer.rest.next_if(|&next| next == '$' || next == scope.escape) {
                    Some(next) => lexer.whole.push(next),
                    None => lexer.whole.push(character),
                }
            }
            _ => lexer.whole.push(character),
        }
    }
    Ok(lexer.whole)
}

/// Splits at blanks outside of quotes; quotes and variables stay as they are.
#[must_use]
pub fn split(text: &str, escape: char) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match quote {
            None if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if character == '"' || character == '\'' => quote = Some(character),
            Some(open) if character == open => quote = None,
            _ => {}
        }
        word.push(character);
        if character == escape && quote != Some('\'') {
            word.extend(characters.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    scope: &'a Scope<'a>,
    /// Everything as one word.
    whole: String,
    /// The same, split.
    words: Vec<String>,
    word: String,
    /// Whether there is a word even if it is empty: `""`.
    begun: bool,
    /// In how many `${...}` it stands.
    depth: u32,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, scope: &'a Scope<'a>) -> Self {
        let (whole, word) = (String::new(), String::new());
        Self { rest: text.chars().peekable(), scope, whole, words: Vec::new(), word, begun: false, depth: 0 }
    }

    /// To the end, or to `stop` (which is taken).
    fn run(&mut self, stop: Option<char>) -> Result<()> {
        while let Some(character) = self.rest.next() {
            match character {
                _ if Some(character) == stop => return Ok(()),
                '\'' => self.single_quotes()?,
                '"' => self.double_quotes()?,
                '$' => {
                    let value = self.variable()?;
                    self.check_room(&value, MOST)?;
                    self.add_split(&value);
                }
                _ if character == self.scope.escape => match self.rest.next() {
                    Some(next) => self.add(next),
                    None => self.add(character),
                },
                _ if character.is_whitespace() => {
                    self.whole.push(character);
                    self.end_word();
                }
                _ => self.add(character),
            }
        }
        match stop {
            Some(stop) => bail!("{stop:?} is missing"),
            None => Ok(()),
        }
    }

    fn check_room(&self, value: &str, most: usize) -> Result<()> {
        ensure!(self.whole.len() + value.len() <= most, "more than {most} bytes, with the variables' values");
        Ok(())
    }

    fn add(&mut self, character: char) {
        self.whole.push(character);
        self.word.push(character);
        self.begun = true;
    }

    fn add_split(&mut self, value: &str) {
        self.whole.push_str(value);
        let mut parts = value.split(char::is_whitespace).peekable();
        while let Some(part) = parts.next() {
            self.word.push_str(part);
            self.begun |= !part.is_empty();
            if parts.peek().is_some() {
                self.end_word();
            }
        }
    }

    fn end_word(&mut self) {
        if self.begun {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.begun = false;
    }

    fn single_quotes(&mut self) -> Result<()> {
        self.begun = true;
        loop {
            match self.rest.next().context("a quote ' does not end")? {
                '\'' => return Ok(()),
                character => self.add(character),
            }
        }
    }

    fn double_quotes(&mut self) -> Result<()> {
        self.begun = true;
        loop {
            match self.rest.next().context("a quote \" does not end")? {
                '"' => return Ok(()),
                '$' => {
                    let value = self.variable()?;
                    self.check_room(&value, MOST)?;
                    self.whole.push_str(&value);
                    self.word.push_str(&value);
                }
                character if character == self.scope.escape => match self.rest.next() {
                    // Within quotes it takes the meaning of these alone away.
                    Some(next) if next == '"' || next == '$' || next == self.scope.escape => self.add(next),
                    Some(next) => {
                        self.add(character);
                        self.add(next);
                    }
                    None => bail!("a quote \" does not end"),
                },
                character => self.add(character),
            }
        }
    }

    /// What stands behind a `$`.
    fn variable(&mut self) -> Result<String> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        let name = self.name();
        if name.is_empty() {
            bail!("${{...}} without a name");
        }
        let value = self.value(&name);
        let next = self.rest.next().context("'}' is missing")?;
        // With the colon an empty value counts as none.
        let (value, modifier) = match next {
            '}' => return Ok(value.unwrap_or_default()),
            ':' => {
                let modifier = self.rest.next().context("'}' is missing")?;
                (value.filter(|value| !value.is_empty()), modifier)
            }
            modifier => (value, modifier),
        };
        ensure!(self.depth < DEPTH, "more than {DEPTH} ${{...}} in each other");
        let (rest, depth) = (self.rest.clone(), self.depth + 1);
        let mut word = Lexer { rest, depth, ..Lexer::new("", self.scope) };
        word.run(Some('}'))?;
        self.rest = word.rest;
        let word = word.whole;
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map_or_else(String::new, |_| word)),
            ('?', Some(value)) => Ok(value),
            ('?', None) if word.is_empty() => bail!("{name}: not set"),
            ('?', None) => bail!("{name}: {word}"),
            ('#' | '%', None) => Ok(String::new()),
            ('#', Some(value)) => Ok(value.strip_prefix(word.as_str()).unwrap_or(&value).to_owned()),
            ('%', Some(value)) => Ok(value.strip_suffix(word.as_str()).unwrap_or(&value).to_owned()),
            _ => bail!("${{{name}...}}: the modifier {modifier:?} is not known"),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        // `$1` is one digit, `$@` and the like one sign; none of them has a value.
        if let Some(sign) = self.rest.next_if(|c| c.is_ascii_digit() || "@*#".contains(*c)) {
            return sign.to_string();
        }
        while let Some(letter) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(letter);
        }
        name
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.scope.value)(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "A" => Some("a b".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_as_docker_does() {
        let scope = Scope { value: &value, escape: '\\' };
        for (text, whole) in [
            ("$A", "a b"),
            ("${A}x", "a bx"),
            ("'$A'", "$A"),
            ("\"$A\"", "a b"),
            (r"\$A", "$A"),
            (r#""\$A\x""#, r"$A\x"),
            ("${NONE:-word}", "word"),
            ("${EMPTY:-word}", "word"),
            ("${EMPTY-word}", ""),
            ("${A:+word}", "word"),
            ("${NONE:+word}", ""),
            ("${NONE:-${A}}", "a b"),
            ("${A#a }", "b"),
            ("$", "$"),
            ("a$.b", "a$.b"),
            ("", ""),
        ] {
            assert_eq!(expand(text, &scope).unwrap(), whole, "{text}");
        }
        for text in ["${A", "${}", "'", "\"", "${NONE:?why}", "${A!b}"] {
            assert!(expand(text, &scope).is_err(), "{text}");
        }
    }

    #[test]
    fn variables_can_fill_neither_stack_nor_memory() {
        let scope = Scope { value: &value, escape: '\\' };
        let nested = |levels: usize| "${NONE:-".repeat(levels) + "x" + &"}".repeat(levels);
        assert_eq!(expand(&nested(64), &scope).unwrap(), "x");
        assert!(expand(&nested(65), &scope).unwrap_err().to_string().contains("in each other"));
        assert!(expand(&"${NONE:-".repeat(1_000_000), &scope).is_err());
        let large = |_: &str| Some("x".repeat(600 << 10));
        let scope = Scope { value: &large, escape: '\\' };
        assert!(expand("$A", &scope).is_ok());
        for text in ["$A$A", "\"$A$A\"", "${B+$A$A}"] {
            assert!(expand(text, &scope).unwrap_err().to_string().contains("more than 1048576"), "{text}");
        }
        assert!(
            expand_document("$A$A", &scope).is_ok() && expand_document(&"$A".repeat(40), &scope).is_err()
        );
    }

    #[test]
    fn words_split_at_blanks_outside_of_quotes() {
        let scope = Scope { value: &value, escape: '\\' };
        assert_eq!(expand_words("$A c \"$A\" '' d\\ e", &scope).unwrap(), ["a", "b", "c", "a b", "", "d e"]);
        assert_eq!(split(r#"a="x y" b='\' c\ d"#, '\\'), [r#"a="x y""#, r"b='\'", r"c\ d"]);
    }
}
