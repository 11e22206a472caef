//! What a call has to be, to be taken: it asks for what there can be.

use super::Node;
use crate::base::Strategy;
use crate::base::labels::meet;
use crate::object::error::{Error, ErrorKind};
use crate::object::value::Value;
use crate::task::arg::{Given, Inputs};
use crate::task::function::Function;
use crate::task::options::Options;

impl Node {
    /// Whether the options mean something and this node could ever meet them.
    pub(super) fn admissible(&self, function: &Function, asked: &Options) -> Result<(), Error> {
        if !asked.labels.is_empty() {
            self.meets(function, asked)?;
        }
        if asked.is_plain() && self.has_whole_cpu || asked.is_nothing() {
            return Ok(());
        }
        if let Strategy::Group { group, bundle } = asked.strategy {
            return self.fits_group(asked, group, bundle);
        }
        let want = asked.request()?;
        let budget = self.pool.budget();
        match want.lacking(budget.total()) {
            None => Ok(()),
            // It may be of what is set aside for a placement group.
            Some(_) if want.fits(&budget.whole()) => Ok(()),
            // Another node may have it; actors are where they are made.
            Some(_) if self.cluster.get().is_some() && function.is_mobile() => Ok(()),
            Some((name, wanted, had)) => {
                let text = format!("asks for {name} = {wanted}, and this node has {had} in all");
                Err(Error::new(ErrorKind::Unschedulable, text))
            }
        }
    }

    /// Whether this node has the labels that are asked for, or another one may.
    fn meets(&self, function: &Function, asked: &Options) -> Result<(), Error> {
        let needs = asked.needs()?;
        if self.cluster.get().is_some() && function.is_mobile() {
            return Ok(());
        }
        match needs.iter().find(|need| !meet(&self.config.labels, std::slice::from_ref(need))) {
            None => Ok(()),
            Some(need) => {
                let text = format!("asks for a node with the label {need}, and this is none");
                Err(Error::new(ErrorKind::Unschedulable, text))
            }
        }
    }

    /// In the mode that tests use, every argument goes through bytes.
    pub(super) fn encode_if_always(&self, inputs: &mut Inputs) -> Result<(), Error> {
        if !self.config.always_encode {
            return Ok(());
        }
        for input in inputs.as_mut_slice() {
            if let Given::Value(value) = &input.0 {
                input.0 = Given::Value(Value::Sealed(value.seal()?));
            }
        }
        Ok(())
    }
}
