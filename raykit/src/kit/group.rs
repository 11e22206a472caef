//! `ActorGroup`: several actors of one type that are addressed together.

use super::gathered::Gathered;
use super::shape::{Point, Shape, refused};
use crate::__private::handle;
use crate::api::actor::Handle;
use crate::object::{ObjectRef, Result};
use std::fmt;
use std::ops::{Index, RangeBounds};

/// Several actors of one type that are addressed together: one call to each, or one item for each.
///
/// Members have ranks, from 0. A group may have a shape with named dimensions, and be cut along
/// them: what comes out is a group of its own, with ranks from 0. A group is a list of handles, and
/// itself an [`Object`](crate::Object), so that it can be passed to tasks and to its own members.
/// Who is in it never changes. A member that has died stays, and a call to it fails with its error
/// ([`ActorDied`](crate::ErrorKind::ActorDied)) in its rank's place.
///
/// An [`ActorPool`](crate::ActorPool) is for work that any of its actors may do.
///
/// ```
/// use raykit::{ActorGroup, prelude::*};
///
/// #[remote]
/// struct Shard {
///     values: Vec<f64>,
/// }
///
/// #[remote]
/// impl Shard {
///     pub fn new() -> Self {
///         Shard { values: vec![] }
///     }
///     pub fn load(&mut self, values: Vec<f64>) {
///         self.values = values;
///     }
///     pub fn scale(&mut self, by: &[f64]) {
///         self.values.iter_mut().zip(by).for_each(|(value, by)| *value *= by);
///     }
///     pub fn sum(&self) -> f64 {
///         self.values.iter().sum()
///     }
/// }
///
/// # fn main() -> raykit::Result<()> {
/// let _ray = raykit::init()?;
/// let shards = ActorGroup::grid([("hosts", 2), ("gpus", 2)], |_| Shard::remote())?;
/// let rows = (1..5).map(|x| vec![x as f64; 3]);
/// shards.scatter(rows, |shard, row| shard.load(row))?.get()?; // a row for each
/// let factors = raykit::put(vec![0.0, 1.0, 10.0])?; //           stored once, for all
/// shards.broadcast(|shard| shard.scale(&factors));
/// assert_eq!(shards.call(|shard| shard.sum()).get()?, [11.0, 22.0, 33.0, 44.0]);
/// let second = shards.slice("hosts", 1..)?; //                   a group of two
/// assert_eq!(second.call(|shard| shard.sum()).get()?, [33.0, 44.0]);
/// # Ok(())
/// # }
/// ```
#[crate::object]
pub struct ActorGroup<H> {
    /// As many as the shape has places, by rank.
    members: Vec<H>,
    shape: Shape,
}

impl<H: Handle> ActorGroup<H> {
    /// A group of these actors, in this order.
    pub fn new(handles: impl IntoIterator<Item = H>) -> ActorGroup<H> {
        let members: Vec<H> = handles.into_iter().collect();
        ActorGroup { shape: Shape::line(members.len()), members }
    }

    /// A group of `n` actors; `make` is told their ranks.
    pub fn spawn(n: usize, make: impl FnMut(usize) -> H) -> ActorGroup<H> {
        ActorGroup::new((0..n).map(make))
    }

    /// A group with named dimensions and their sizes; `make` is told the place of each. Ranks go
    /// through the last dimension first.
    ///
    /// # Errors
    ///
    /// [`GroupShape`](crate::ErrorKind::GroupShape) when two dimensions have one name.
    ///
    /// ```
    /// use raykit::{ActorGroup, prelude::*};
    ///
    /// #[remote]
    /// struct Trainer {
    ///     gpu: usize,
    /// }
    ///
    /// #[remote]
    /// impl Trainer {
    ///     pub fn new(gpu: usize) -> Self {
    ///         Trainer { gpu }
    ///     }
    ///     pub fn gpu(&self) -> usize {
    ///         self.gpu
    ///     }
    /// }
    ///
    /// # fn main() -> raykit::Result<()> {
    /// let _ray = raykit::init()?;
    /// let all = ActorGroup::grid([("hosts", 2), ("gpus", 4)], |at| Trainer::remote(at["gpus"]))?;
    /// assert_eq!(all.len(), 8);
    /// assert_eq!(all.slice("gpus", 1..3)?.call(|one| one.gpu()).get()?, [1, 2, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn grid(
        dimensions: impl IntoIterator<Item = (impl Into<String>, usize)>,
        make: impl FnMut(Point) -> H,
    ) -> Result<ActorGroup<H>> {
        let shape = Shape::new(dimensions)?;
        let members = shape.points().map(make).collect();
        Ok(ActorGroup { members, shape })
    }

    /// The members whose place in one dimension is within the range, as a group of their own: with
    /// the same dimensions, and ranks from 0.
    ///
    /// # Errors
    ///
    /// [`GroupShape`](crate::ErrorKind::GroupShape) when there is no such dimension, or it is not
    /// as large.
    pub fn slice(&self, dimension: &str, range: impl RangeBounds<usize>) -> Result<ActorGroup<H>> {
        let (shape, ranks) = self.shape.slice(dimension, range)?;
        let members = ranks.into_iter().filter_map(|rank| self.get(rank).cloned()).collect();
        Ok(ActorGroup { members, shape })
    }

    /// Calls each member, in the order of the ranks, and waits for nobody.
    ///
    /// A method that gives a stream, or several references, is called by
    /// [`iter`](Self::iter)`().map(..)`.
    pub fn call<T>(&self, call: impl FnMut(&H) -> ObjectRef<T>) -> Gathered<T> {
        Gathered::new(self.members.iter().map(call).collect())
    }

    /// Calls each member with an item of its own, the first for rank 0.
    ///
    /// # Errors
    ///
    /// [`GroupShape`](crate::ErrorKind::GroupShape) when there are more or fewer items than
    /// members; then nobody is called.
    pub fn scatter<I, T>(
        &self,
        items: impl IntoIterator<Item = I>,
        mut call: impl FnMut(&H, I) -> ObjectRef<T>,
    ) -> Result<Gathered<T>> {
        let items: Vec<I> = items.into_iter().collect();
        let (given, wanted) = (items.len(), self.len());
        if given != wanted {
            let text = format!(
                "{given} items for {wanted} actors: a group takes as many items as it has members"
            );
            return Err(refused(text));
        }
        let calls = self.members.iter().zip(items).map(|(member, item)| call(member, item));
        Ok(Gathered::new(calls.collect()))
    }

    /// Calls each member, and asks nobody for the result: a call that fails is not heard of.
    ///
    /// An argument that is large, or dear to clone, is best [`put`](crate::put) once and passed as
    /// `&ObjectRef`: then all members get the one that is stored.
    pub fn broadcast<T>(&self, call: impl FnMut(&H) -> ObjectRef<T>) {
        self.members.iter().map(call).for_each(ObjectRef::forget);
    }

    /// The member with this rank.
    pub fn get(&self, rank: usize) -> Option<&H> {
        self.members.get(rank)
    }

    /// The member at this place: a number for each dimension, in any order.
    pub fn at<const N: usize>(&self, coordinates: [(&str, usize); N]) -> Option<&H> {
        self.get(self.shape.rank(&coordinates)?)
    }

    /// How many members there are, the dead included.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Goes through the members, by rank.
    pub fn iter(&self) -> std::slice::Iter<'_, H> {
        self.members.iter()
    }

    /// The dimensions and their sizes, and the places of the members.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A reference for each member that is there once its constructor has run, and failed if that
    /// failed.
    pub fn ready(&self) -> Gathered<()> {
        self.call(|member| handle::ready(member.__actor()))
    }

    /// Has each member end when it has run the calls that it has taken; further ones are refused.
    /// For how many that is news.
    pub fn stop(&self) -> usize {
        self.iter().filter(|member| handle::stop(member.__actor())).count()
    }

    /// Ends each member now, as `kill` of its handle does. How many had not ended.
    pub fn kill(&self) -> usize {
        self.iter().filter(|member| handle::kill(member.__actor())).count()
    }
}

/// # Panics
///
/// If there is no member of that rank.
impl<H: Handle> Index<usize> for ActorGroup<H> {
    type Output = H;
    fn index(&self, rank: usize) -> &H {
        &self.members[rank]
    }
}

impl<'a, H: Handle> IntoIterator for &'a ActorGroup<H> {
    type Item = &'a H;
    type IntoIter = std::slice::Iter<'a, H>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<H: Handle> fmt::Debug for ActorGroup<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actor = std::any::type_name::<H::Actor>();
        write!(f, "ActorGroup<{actor}>({})", self.shape)
    }
}
