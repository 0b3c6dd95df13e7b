//! The embeddable server: a builder over store, listener and hub.
