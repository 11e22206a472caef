// R16: whoever holds a reference as bytes alone holds nothing, so rkyv alone cannot write one.
use raykit::__private::rkyv;
use raykit::prelude::*;

fn bytes(reference: &ObjectRef<u8>) {
    let _ = rkyv::to_bytes::<rkyv::rancor::Error>(reference);
}

fn main() {}
