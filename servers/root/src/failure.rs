// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why root could not do something: one line for people.

use core::fmt::{self, Write};

use arrayvec::ArrayString;

/// Longest text of a failure.
const TEXT_MAX: usize = 200;

/// Why root could not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: ArrayString<TEXT_MAX>,
}

/// Cuts off what does not fit.
struct Cut<'a>(&'a mut ArrayString<TEXT_MAX>);

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.try_push(character).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Failure {
    /// Creates a failure from formatted text.
    pub fn new(arguments: fmt::Arguments<'_>) -> Failure {
        let mut text = ArrayString::new();
        // `Cut` never fails.
        let _ = Cut(&mut text).write_fmt(arguments);
        Failure { text }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Creates a [`Failure`] from a format string.
#[macro_export]
macro_rules! failure {
    ($($text:tt)*) => { $crate::failure::Failure::new(format_args!($($text)*)) };
}
