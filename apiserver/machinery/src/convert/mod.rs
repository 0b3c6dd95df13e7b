//! Conversion between served versions of one built-in kind.
