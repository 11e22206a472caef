//! Short programs on real input: see the folder `examples`.
