//! What `f::remote(..)` expands to.

use crate::object::{Object, ObjectRef};
use crate::task::arg::Input;
use crate::task::call::Tuple;
use crate::task::function::Function;
use crate::task::options::Options;

/// Submits a call with one result.
pub fn submit<T: Object, const N: usize>(
    _function: &'static Function,
    _options: Option<Options>,
    _inputs: [Input; N],
) -> ObjectRef<T> {
    unreachable!("the runtime comes next")
}

/// Submits a call with several results.
pub fn submit_many<T: Tuple, const N: usize>(
    _function: &'static Function,
    _options: Option<Options>,
    _inputs: [Input; N],
) -> T::Refs {
    unreachable!("the runtime comes next")
}
