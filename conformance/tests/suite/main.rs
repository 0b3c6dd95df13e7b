//! The black-box suite. One program, so that it is linked once and its tests share a server where they can.

mod transcript;

mod kubectl;
mod watch;

mod endpoints;
mod isolation;

mod bad_input;
mod controllers;
mod crash;
mod drain;
