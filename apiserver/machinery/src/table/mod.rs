//! Server-side printing: Table columns and rows (KEP-506).
