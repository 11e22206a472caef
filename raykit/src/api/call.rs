//! What `f::remote(..)` expands to.

use crate::node::submit;
use crate::object::ObjectRef;
use crate::object::raw::{Holder, RawRef};
use crate::task::arg::{Input, Inputs};
use crate::task::call::Tuple;
use crate::task::function::Function;
use crate::task::options::Options;
use std::sync::Arc;

/// Submits a call with one result.
pub fn submit<T, const N: usize>(
    function: &'static Function,
    options: Option<Options>,
    inputs: [Input; N],
) -> ObjectRef<T> {
    let task = submit::submit(function, options.map(Box::new), Inputs::new(inputs), |_| ());
    ObjectRef::new(RawRef(task as Arc<dyn Holder>))
}

/// Submits a call with several results.
pub fn submit_many<T: Tuple, const N: usize>(
    function: &'static Function,
    options: Option<Options>,
    inputs: [Input; N],
) -> T::Refs {
    let mut references = Vec::new();
    submit::submit(function, options.map(Box::new), Inputs::new(inputs), |task| {
        references = task.references()
    });
    T::into_refs(references)
}
