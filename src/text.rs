//! Text that comes from a config.json or a command line, on its way to a terminal or a log.

use std::fmt::{self, Display, Formatter, Write};

/// One line, whatever is in it: line breaks become blanks, other control characters are escaped. Else a configuration could
/// write lines that casque has not said, or change the terminal.
pub struct Plain<'a>(pub &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\n' => f.write_char(' ')?,
                _ if character.is_control() => write!(f, "{}", character.escape_default())?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_to_a_terminal_is_escaped_and_line_breaks_are_blanks() {
        assert_eq!(
            Plain("a\nb\u{1b}[31m\r\u{7f}\u{9b}\u{e4}").to_string(),
            "a b\\u{1b}[31m\\r\\u{7f}\\u{9b}\u{e4}"
        );
    }
}
