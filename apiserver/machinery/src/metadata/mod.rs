//! ObjectMeta: names, labels, annotations, owner references and their validation.
