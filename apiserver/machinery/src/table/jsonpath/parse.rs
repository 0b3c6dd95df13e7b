//! Parsing of paths.

use super::{End, Step};
use serde_json::{Value, json};
use std::fmt;

/// Why a path is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError(String);

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SyntaxError {}

fn refuse<T>(why: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError(why.into()))
}

pub(super) fn parse(path: &str) -> Result<Vec<Step>, SyntaxError> {
    let mut parser = Parser { rest: path, steps: Vec::new() };
    while !parser.rest.is_empty() {
        // A brace ends the path; what follows is text to templates.
        if parser.rest.starts_with('}') {
            break;
        }
        parser.step()?;
    }
    Ok(parser.steps)
}

struct Parser<'a> {
    rest: &'a str,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    fn step(&mut self) -> Result<(), SyntaxError> {
        if let Some(rest) = self.rest.strip_prefix("[?(") {
            self.rest = rest;
            return self.filter();
        }
        if let Some(rest) = self.rest.strip_prefix("..") {
            self.rest = rest;
            return self.recursive();
        }
        let Some(first) = self.rest.chars().next() else { return Ok(()) };
        match first {
            '\r' | '\n' => refuse("unclosed action"),
            ' ' | '@' | '$' => {
                self.skip(1);
                Ok(())
            }
            '[' => self.brackets(),
            '"' | '\'' => self.quote(first),
            '.' => {
                self.skip(1);
                self.field();
                Ok(())
            }
            '+' | '-' => self.number(),
            c if c.is_numeric() => self.number(),
            c if c.is_alphabetic() || c == '_' => {
                let word = self.take_until_terminator();
                let constant = match word.as_str() {
                    "true" => Step::Constant(Value::Bool(true)),
                    "false" => Step::Constant(Value::Bool(false)),
                    _ => Step::Word,
                };
                self.steps.push(constant);
                Ok(())
            }
            c => refuse(format!("unrecognized character in action: U+{:04X} '{c}'", c as u32)),
        }
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Takes characters up to one that ends a name; a backslash takes the character after it along.
    fn take_until_terminator(&mut self) -> String {
        let mut taken = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((index, c)) = chars.next() {
            if c == '\\' {
                taken.extend(chars.next().map(|(_, escaped)| escaped));
            } else if matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}') {
                end = index;
                break;
            } else {
                taken.push(c);
            }
        }
        self.skip(end);
        taken
    }

    fn field(&mut self) {
        let name = self.take_until_terminator();
        self.steps.push(if name == "*" { Step::Wildcard } else { Step::Field(name) });
    }

    fn recursive(&mut self) -> Result<(), SyntaxError> {
        if self.steps.last() == Some(&Step::Recursive) {
            return refuse("invalid multiple recursive descent");
        }
        self.steps.push(Step::Recursive);
        if self.rest.chars().next().is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            self.field();
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let sign = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest[sign..].find(|c: char| c != '.' && !c.is_numeric());
        let number = self.skip(digits.map_or(self.rest.len(), |digits| sign + digits));
        let value = match (number.parse::<i64>(), number.parse::<f64>()) {
            (Ok(whole), _) => json!(whole),
            (Err(_), Ok(float)) => json!(float),
            (Err(_), Err(_)) => return refuse(format!("cannot parse number {number}")),
        };
        self.steps.push(Step::Constant(value));
        Ok(())
    }

    fn quote(&mut self, quote: char) -> Result<(), SyntaxError> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, escaped)) => text.push(unescape(escaped)),
                    None => break,
                },
                c if c == quote => {
                    self.skip(index + 1);
                    self.steps.push(Step::Text(text));
                    return Ok(());
                }
                c => text.push(c),
            }
        }
        refuse("unterminated quoted string")
    }

    fn brackets(&mut self) -> Result<(), SyntaxError> {
        let Some(end) = self.rest.find([']', '\n']).filter(|end| self.rest[*end..].starts_with(']')) else {
            return refuse("unterminated array");
        };
        let inner = &self.skip(end + 1)[1..end];
        let inner = if inner == "*" { ":" } else { inner };
        if inner.contains(',') {
            let parts = inner.split(',').map(|part| parse(&format!("[{}]", part.trim_matches(' '))));
            self.steps.push(Step::Union(parts.collect::<Result<_, _>>()?));
            return Ok(());
        }
        let key = inner.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|key| !key.contains('\''));
        match key {
            Some(key) => self.steps.extend(parse(&format!(".{key}"))?),
            None => self.steps.push(slice(inner)?),
        }
        Ok(())
    }

    fn filter(&mut self) -> Result<(), SyntaxError> {
        let Some(end) = filter_end(self.rest) else { return refuse("unterminated filter") };
        let inner = self.skip(end + 1).split_at(end).0;
        if !self.rest.starts_with(']') {
            return refuse("unclosed array expect ]");
        }
        self.skip(1);
        let operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let split = inner.find(operator).filter(|start| *start > 0).and_then(|start| {
            let (left, rest) = inner.split_at(start);
            let length = rest.find(|c| !operator(c))?;
            Some((left, &rest[..length], &rest[length..]))
        });
        let filter = match split {
            Some((left, operator, right)) => {
                Step::Filter { left: parse(left)?, test: Some((operator.to_owned(), parse(right)?)) }
            }
            None => Step::Filter { left: parse(inner)?, test: None },
        };
        self.steps.push(filter);
        Ok(())
    }
}

/// Returns where the parenthesis of a filter closes: not inside its quoted text, of which there is at most one.
fn filter_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut closed = false;
    let mut before = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '\n' => return None,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            '"' | '\'' if before != '\\' && quote == Some(c) => closed = true,
            ')' if quote.is_some() == closed => return Some(index),
            _ => {}
        }
        before = c;
    }
    None
}

/// Parses an index or a slice: `1`, `-1`, `1:3`, `:`, `0:4:2`.
fn slice(text: &str) -> Result<Step, SyntaxError> {
    let malformed = || SyntaxError(format!("invalid array index {text}"));
    let number = |part: &str| -> Result<Option<i64>, SyntaxError> {
        if part.is_empty() { Ok(None) } else { part.parse().map(Some).map_err(|_| malformed()) }
    };
    if text.contains('+') {
        return Err(malformed());
    }
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [start] => Ok(Step::Slice { start: number(start)?, end: End::Single, step: None }),
        [start, end] => {
            let end = number(end)?.map_or(End::Open, End::At);
            Ok(Step::Slice { start: number(start)?, end, step: None })
        }
        [start, end, step] => {
            let end = number(end)?.map_or(End::Open, End::At);
            Ok(Step::Slice { start: number(start)?, end, step: number(step)? })
        }
        _ => Err(malformed()),
    }
}

fn unescape(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        c => c,
    }
}
