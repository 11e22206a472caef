//! What nodes say to each other, and how it stands on the wire: little-endian numbers, lengths in
//! front of what has one, nothing else. Bytes that come from outside give a frame or `None`, and no
//! more memory is taken for them than they have length.

use crate::base::limits::{FRAME_ITEMS_MAX, NAME_BYTES_MAX};
use crate::base::quantity::{Amount, Resources};
use crate::base::{NodeId, ObjectId, PlacementGroupId, PlacementStrategy, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What can stand in a frame.
pub(crate) trait Wire: Sized {
    fn put(&self, out: &mut Vec<u8>);

    fn take(from: &mut Reader<'_>) -> Option<Self>;
}

/// Bytes that are being read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The next `len` bytes.
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// What is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// A length that is followed by as many things of at least one byte each.
fn take_len(from: &mut Reader<'_>, max: usize) -> Option<usize> {
    let len = u32::take(from)? as usize;
    (len <= max && len <= from.0.len()).then_some(len)
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut Reader<'_>) -> Option<Self> {
                let bytes = from.bytes(size_of::<$type>())?;
                bytes.try_into().ok().map(<$type>::from_le_bytes)
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, u128);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|value| value.put(out));
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        self.iter().for_each(|value| value.put(out));
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let len = take_len(from, FRAME_ITEMS_MAX)?;
        (0..len).map(|_| T::take(from)).collect()
    }
}

/// Bytes that mean something to others than the brain.
pub(crate) type Bytes = Arc<[u8]>;

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let len = take_len(from, usize::MAX)?;
        from.bytes(len).map(Arc::from)
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let len = take_len(from, NAME_BYTES_MAX)?;
        String::from_utf8(from.bytes(len)?.to_vec()).ok()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        self.iter().for_each(|(key, value)| {
            key.put(out);
            value.put(out);
        });
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let len = take_len(from, FRAME_ITEMS_MAX)?;
        (0..len).map(|_| <(K, V)>::take(from)).collect()
    }
}

impl Wire for NodeId {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        u32::take(from).map(NodeId)
    }
}

impl Wire for Amount {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let amount = Amount(u64::take(from)?);
        (amount.as_f64() <= Amount::MAX).then_some(amount)
    }
}

impl Wire for Resources {
    fn put(&self, out: &mut Vec<u8>) {
        (self.cpu, (self.gpu, self.memory)).put(out);
        (self.named.len() as u32).put(out);
        for (name, amount) in &self.named {
            (name.as_ref().to_owned(), *amount).put(out);
        }
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let (cpu, (gpu, memory)) = Wire::take(from)?;
        let named = Vec::<(String, Amount)>::take(from)?;
        let names: BTreeSet<&String> = named.iter().map(|(name, _)| name).collect();
        if names.len() < named.len() {
            return None; // each is taken and given back by itself
        }
        let named = named.into_iter().map(|(name, amount)| (name.into(), amount)).collect();
        Some(Resources { cpu, gpu, memory, named, gpus: Vec::new() })
    }
}

/// A struct that is written field by field.
macro_rules! record {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::proto::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::proto::wire::Wire::put(&self.$field, out);)*
            }
            fn take(from: &mut $crate::proto::wire::Reader<'_>) -> Option<Self> {
                Some($name { $($field: $crate::proto::wire::Wire::take(from)?),* })
            }
        }
    };
}
pub(crate) use record;

/// An enum that is written as the number of its variant, and what that has.
macro_rules! choice {
    ($name:ident {
        $($number:literal $variant:ident $(($($place:ident),*))? $({ $($field:ident),* })?),* $(,)?
    }) => {
        impl $crate::proto::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant $(($($place),*))? $({ $($field),* })? => {
                        out.push($number);
                        $($($crate::proto::wire::Wire::put($place, out);)*)?
                        $($($crate::proto::wire::Wire::put($field, out);)*)?
                    })*
                }
            }
            fn take(from: &mut $crate::proto::wire::Reader<'_>) -> Option<Self> {
                Some(match <u8 as $crate::proto::wire::Wire>::take(from)? {
                    $($number => {
                        $($(let $place = $crate::proto::wire::Wire::take(from)?;)*)?
                        $name::$variant $(($($place),*))?
                            $({ $($field: $crate::proto::wire::Wire::take(from)?),* })?
                    })*
                    _ => return None,
                })
            }
        }
    };
}
pub(crate) use choice;

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
    fn take(from: &mut Reader<'_>) -> Option<Self> {
        T::take(from).map(Box::new)
    }
}

record!(TaskId { node, sequence });
record!(ObjectId { node, index, sequence });

/// One attempt of a task, lent to another node. The task's own node is its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaseId {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
}
record!(LeaseId { task, attempt });
record!(PlacementGroupId { node, sequence });

/// A placement group, as all nodes know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// What each bundle is to hold.
    pub(crate) wants: Vec<Resources>,
    pub(crate) strategy: PlacementStrategy,
    /// Where each bundle lies.
    pub(crate) homes: Vec<Option<NodeId>>,
}
record!(Group { wants, strategy, homes });

impl Group {
    /// The nodes where that bundle lies, or any of them.
    pub(crate) fn homes(&self, bundle: Option<u32>) -> Vec<NodeId> {
        let one = |at: usize| bundle.is_none_or(|only| only as usize == at);
        let all = self.homes.iter().enumerate().filter(|(at, _)| one(*at));
        let mut all: Vec<NodeId> = all.filter_map(|(_, home)| *home).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What a node has for tasks of this group.
    pub(crate) fn set_aside(&self, group: PlacementGroupId, node: NodeId) -> Resources {
        let mut sum = Resources::NOTHING;
        for ((home, want), at) in self.homes.iter().zip(&self.wants).zip(0..) {
            if *home == Some(node) {
                sum.add(&want.in_group(group, Some(at)));
            }
        }
        sum
    }

    /// Whether that bundle, or any, could hold a task that asks for this of it.
    pub(crate) fn holds(
        &self,
        group: PlacementGroupId,
        bundle: Option<u32>,
        want: &Resources,
    ) -> bool {
        let all = self.wants.iter().zip(0_u32..);
        let mut named = all.filter(|(_, at)| bundle.is_none_or(|only| only == *at));
        named.any(|(has, at)| want.fits(&has.in_group(group, Some(at))))
    }
}

choice!(PlacementStrategy { 0 Pack, 1 Spread, 2 StrictPack, 3 StrictSpread });

/// A node, as all others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    /// Where it can be reached, the best first.
    pub(crate) addresses: Vec<String>,
    /// The same for all nodes of one user on one host.
    pub(crate) host: u128,
    /// It only submits, and is not waited for.
    pub(crate) driver: bool,
    pub(crate) total: Resources,
    pub(crate) labels: Vec<(String, String)>,
}
record!(Member { node, name, addresses, host, driver, total, labels });

/// What a node has to do and to give at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) free: Resources,
    /// Tasks that another node could take over.
    pub(crate) queued: u32,
    /// It takes nothing new.
    pub(crate) draining: bool,
    /// The head has not heard of it for a while.
    pub(crate) suspect: bool,
}
record!(Load { free, queued, draining, suspect });

/// What became of an object, or of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// Its archive, and the references in that.
    Inline(Bytes, Vec<ObjectId>),
    /// It is so large and lies with whoever says so, and the references in it.
    Large(u64, Vec<ObjectId>),
    /// An error, as `object::told` writes it, and the references in that.
    Failed(Bytes, Vec<ObjectId>),
    /// The owner has it no more.
    Freed,
}

impl Outcome {
    pub(crate) fn refs(&self) -> &[ObjectId] {
        match self {
            Outcome::Inline(_, refs) | Outcome::Large(_, refs) | Outcome::Failed(_, refs) => refs,
            Outcome::Freed => &[],
        }
    }
}

choice!(Outcome {
    0 Inline(bytes, refs),
    1 Large(len, refs),
    2 Failed(bytes, refs),
    3 Freed,
});

/// The kinds of frames, each with its number and its fields.
macro_rules! frames {
    ($($(#[$doc:meta])* $number:literal $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        /// One message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Frame {
            $($(#[$doc])* $name { $($field: $type),* }),*
        }

        impl Wire for Frame {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Frame::$name { $($field),* } => {
                        out.push($number);
                        $($field.put(out);)*
                    })*
                }
            }
            fn take(from: &mut Reader<'_>) -> Option<Self> {
                Some(match u8::take(from)? {
                    $($number => Frame::$name { $($field: Wire::take(from)?),* },)*
                    _ => return None,
                })
            }
        }
    };
}

frames! {
    /// The first on a new link: the number of the next frame that is expected.
    1 Resume { next: u64 }
    /// Nothing but the acknowledgement that every packet carries.
    2 Ack {}
    /// To the head and back: I am here. `version` is of the list of members.
    3 Beat { version: u64, load: Load }
    /// From the head: a node has come.
    4 Joined { version: u64, member: Member }
    /// From the head: a node is gone for good, and why.
    5 Died { version: u64, node: NodeId, why: String }
    /// From the head: what all nodes have to do and to give, as far as it has changed.
    6 Loads { loads: Vec<(NodeId, Load)> }
    /// To the head: I go, for this reason.
    7 Leave { why: String }
    /// You were declared dead.
    8 Fenced {}
    /// To a node: can you reach that one? For a head that has not heard of it.
    9 Seek { node: NodeId }
    /// To the one that is sought, and back from it.
    10 Probe { head: NodeId, back: bool }
    /// To the head: that one is alive.
    11 Heard { node: NodeId }
    /// From the head: that is the list.
    12 Roster { version: u64, members: Vec<Member> }
    /// To the head: what is the list?
    13 AskRoster {}

    /// Run this.
    20 Lease { lease: LeaseId, want: Resources, spec: Bytes, refs: Vec<ObjectId>, token: u64 }
    /// It ran, and these are its results.
    21 Ran { lease: LeaseId, results: Vec<Outcome>, token: u64 }
    /// It was not begun, and will not be.
    22 Refused { lease: LeaseId, why: Bytes }
    /// It is not wanted any more.
    23 Revoke { lease: LeaseId }
    /// I have room for so many tasks: give me some, now or when you have them.
    24 Ask { room: u32 }

    /// The next item of a stream that runs here for you.
    25 Item { lease: LeaseId, item: Outcome, token: u64 }
    /// So many of its items are in line with me.
    26 Credit { lease: LeaseId, items: u64 }

    /// I have a reference to an object of yours, from that node, which waits for this to be known.
    40 Borrow { object: ObjectId, lender: NodeId, token: u64 }
    /// The owner knows of the reference that you passed on to that node under this number.
    41 Lent { token: u64, by: NodeId }
    /// I have let go of all references that you gave me, so many.
    42 Release { object: ObjectId, count: u64 }
    /// What became of an object that you have a reference to.
    43 Sealed { object: ObjectId, outcome: Outcome, token: u64 }
    /// Tell me once more what became of it: I have dropped that, and then got another reference.
    45 Again { object: ObjectId }
    /// Nobody here wants that object of yours, which is still being made.
    46 Cancel { object: ObjectId }
    /// That object of yours is waited for here: wherever it lies, I need its outcome.
    47 Want { object: ObjectId }
    /// You need not keep the large results of this call any more.
    44 Unpark { lease: LeaseId }

    /// To the head: a placement group is wanted. `detached`: it outlives the node that wants it.
    60 NewGroup { group: PlacementGroupId, wants: Vec<Resources>, strategy: PlacementStrategy, detached: bool }
    /// To the head: it is not wanted any more.
    61 EndGroup { group: PlacementGroupId }
    /// From the head: set that aside for a bundle; `attempt` counts such words for the group.
    62 Reserve { group: PlacementGroupId, attempt: u64, bundle: u32, want: Resources }
    /// To the head: it is set aside.
    63 Reserved { group: PlacementGroupId, attempt: u64, bundle: u32 }
    /// From the head: what was set aside at that attempt is not needed.
    64 Unreserve { group: PlacementGroupId, attempt: u64 }
    /// From the head: that is where a group lies now.
    65 GroupLies { group: PlacementGroupId, known: Group }
    /// From the head: there is no such group any more, and why.
    66 GroupEnded { group: PlacementGroupId, why: String }
}
