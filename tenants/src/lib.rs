//! Who exists, in what state, with what keys and limits.
